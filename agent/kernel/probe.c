// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// What runs in the kernel. Compiled by agent/kernel/build.py, which puts before it: the offsets of
// this kernel's structs (O_*, T_*), the record layout (layout.py), and these settings:
//   GENERATION        number of this set of programs; see `role`
//   TYPED             1: typed tracepoints, whose pointers load directly; 0: untyped, with probe reads
//   AGENT_PIDNS       inode of the agent's pid namespace; AGENT_PIDNS_ONLY: events from it alone
//   WANT_64, WANT_32  expressions over `nr`: is this call number of interest?
//   WANT_PROCEXIT     1: tasks that end are events too;  WANT_ENV: 1: events carry the environment
// and, in between, the filter: `static bool keep(struct call *c)`.
//
// The record is put together in stages that tail-call each other, because each must pass the
// verifier by itself:  sys_exit (decide, header) -> who -> what -> paths (and hand over).

#define AI static inline __attribute__((always_inline))
#define V(x) (*(volatile typeof(x) *)&(x))
#define MASK(x, m) asm volatile("%0 &= " #m : "+r"(x))

// READ reads a field through any pointer, GET through one that the verifier knows the type of.
#define READ(p, S, F) ({ T_##S##_##F v_ = 0; \
    bpf_probe_read_kernel(&v_, sizeof(v_), (void *)((u64)(p) + O_##S##_##F)); v_; })
#define READ_AT(type, address) ({ type v_ = 0; bpf_probe_read_kernel(&v_, sizeof(v_), (void *)(address)); v_; })
#if TYPED
#define GET(p, S, F) (*(volatile T_##S##_##F *)((char *)(p) + O_##S##_##F))
#define TASK() ((char *)bpf_get_current_task_btf())
#else
#define GET(p, S, F) READ(p, S, F)
#define TASK() ((char *)bpf_get_current_task())
#endif
#define AT(p, S, F) ((u64)(p) + O_##S##_##F)

#define COMPONENTS 256  // path components of all paths of an event, at most
#define DEPTH 96        // of one path
#define EXE_DEPTH 64    // of an executable's path
#define ANCESTORS 40
#define JOBS 8
#define BUFFER (R_TEXT + 16384)
#define LIMIT 0xc000  // no part begins beyond

struct job { u64 dentry, mnt; u8 kind, slot, pad[6]; };

struct scratch {
  struct header h;
  char b[BUFFER];
  u64 pos;
  struct sysdef def;
  u64 limit, begin, dentry, mnt, mnt_root, end;
  u32 jobs_n, job, open, forget, agent_level, depth;
  struct job jobs[JOBS];
};

struct control { u32 generation, phase; };

BPF_TABLE("array", u32, struct scratch, scratches, 1);
BPF_TABLE("array", u32, struct control, control, 1);
BPF_TABLE("array", u32, struct sysdef, calls, 2048);
BPF_TABLE("percpu_array", u32, u64, drops, 8);
BPF_TABLE("hash", u32, u32, claims, 16);
BPF_TABLE("prog", u32, u32, stages, 4);
struct small { struct ident id; char text[R_SMALL - sizeof(struct ident)]; };
struct big { struct ident id; char text[R_BIG_SIZE - sizeof(struct ident)]; };
BPF_TABLE("hash", u32, struct small, idents, 16);
BPF_TABLE("hash", u32, struct big, bigs, 16);
BPF_RINGBUF_OUTPUT(events, 1);

// What a filter may look at. Everything is read when the call has returned.
struct call {
  u32 type;            // index of the event type, EV_<name>
  u32 compat;          // 1: a 32-bit call
  long ret;            // what the call returned
  u64 arg[6];          // its arguments, widened
  u32 tgid, tid;       // in the initial pid namespace
  char *task;          // current task: GET(task, task_struct, …)
  struct ident *ident; // what it last executed, with `comm`; 0 if not known: then keep
};

AI struct scratch *scratch_of_cpu(void) {
  u32 cpu = bpf_get_smp_processor_id();
  return scratches.lookup(&cpu);
}

AI void drop(u32 reason) {
  u64 *n = drops.lookup(&reason);
  if (n) *n += 1;
}

// ---- parts ---------------------------------------------------------------------------------

AI bool full(struct scratch *s) {
  if (V(s->pos) <= V(s->limit)) return false;
  V(s->h.flags) |= R_TRUNCATED;
  return true;
}

AI char *at(struct scratch *s, u64 p) {
  MASK(p, 0xffff);
  return &s->b[p];
}

AI void close_part(struct scratch *s, u64 begin, u64 length, u8 kind, u8 slot, u32 end) {
  *(volatile u64 *)at(s, begin) = (length & 0xffff) | (u64)kind << 16 | (u64)slot << 24 | (u64)end << 32;
  V(s->pos) = (begin + 8 + length + 7) & ~7ULL;
}

AI void add_string(struct scratch *s, u64 address, u8 slot) {
  if (!address || full(s)) return;
  u64 begin = V(s->pos);
  long n = bpf_probe_read_user_str(at(s, begin + 8), 4096, (void *)address);
  if (n > 0) close_part(s, begin, n - 1, R_STRING, slot, n == 4096);
}

AI void add_user(struct scratch *s, u64 address, u64 length, u8 kind, u8 slot) {
  if (!address || full(s)) return;
  u64 begin = V(s->pos);
  if (length > 4095) length = 4095;
  MASK(length, 0xfff);
  if (bpf_probe_read_user(at(s, begin + 8), length, (void *)address) == 0)
    close_part(s, begin, length, kind, slot, 0);
}

AI void add_job(struct scratch *s, u64 path, u8 kind, u8 slot) {
  u32 n = V(s->jobs_n);
  if (n >= JOBS) return;
  V(s->jobs_n) = n + 1;
  n &= JOBS - 1;
  V(s->jobs[n].dentry) = READ(path, path, dentry);
  V(s->jobs[n].mnt) = READ(path, path, mnt);
  V(s->jobs[n].kind) = kind;
  V(s->jobs[n].slot) = slot;
}

// Turn all jobs into path parts. One loop for all, and its state in the map, so that the verifier can
// prune: each pass takes one component, crosses one mount, or begins or ends a job.
AI void run_jobs(struct scratch *s, char *task, int components) {
  u64 fs = GET(task, task_struct, fs), root = 0, root_mnt = 0;
  if (fs) {
    root = READ_AT(u64, fs + O_fs_struct_root + O_path_dentry);
    root_mnt = READ_AT(u64, fs + O_fs_struct_root + O_path_mnt);
  }
  V(s->job) = 0;
  V(s->open) = 0;
  #pragma nounroll
  for (int i = 0; i < components; i++) {
    u32 j = V(s->job);
    if (j >= V(s->jobs_n)) return;
    j &= JOBS - 1;
    if (!V(s->open)) {
      if (full(s)) return;
      u64 mnt = V(s->jobs[j].mnt);
      V(s->dentry) = V(s->jobs[j].dentry);
      V(s->mnt) = mnt;
      V(s->mnt_root) = READ(mnt, vfsmount, mnt_root);
      V(s->begin) = V(s->pos);
      V(s->pos) += 8;
      V(s->open) = 1;
      V(s->depth) = 0;
    }
    u64 d = V(s->dentry), mnt = V(s->mnt);
    u32 end = 0;
    if (d == root && mnt == root_mnt) end = R_AT_ROOT;
    else if (d == V(s->mnt_root)) {
      u64 m = mnt - O_mount_mnt, parent = READ(m, mount, mnt_parent);
      if (!parent || parent == m) end = R_AT_NAMESPACE_ROOT;
      else {
        V(s->dentry) = READ(m, mount, mnt_mountpoint);
        V(s->mnt) = parent + O_mount_mnt;
        V(s->mnt_root) = READ(parent + O_mount_mnt, vfsmount, mnt_root);
        continue;
      }
    } else if (V(s->depth) >= DEPTH || full(s)) end = R_TOO_DEEP;
    else {
      u64 parent = READ(d, dentry, d_parent);
      u64 name = READ_AT(u64, d + O_dentry_d_name + O_qstr_name);
      u64 p = V(s->pos);
      long n = bpf_probe_read_kernel_str(at(s, p), 256, (void *)name);
      if (n <= 0) end = R_UNREADABLE;
      else {
        V(s->pos) = p + n;
        V(s->depth) += 1;
        if (!parent || parent == d) end = R_DETACHED;
        V(s->dentry) = parent;
      }
    }
    if (end || i == components - 1) {
      u64 begin = V(s->begin);
      close_part(s, begin, V(s->pos) - begin - 8, V(s->jobs[j].kind), V(s->jobs[j].slot), end ? end : R_TOO_DEEP);
      V(s->job) = j + 1;
      V(s->open) = 0;
    }
  }
}

// ---- identity ------------------------------------------------------------------------------

AI u8 layer_of(u64 inode, u64 sb) {  // overlayfs keeps its upper dentry right behind the inode
  if (READ(sb, super_block, s_magic) != 0x794c7630) return 0;
  return READ_AT(u64, inode + S_inode) ? 1 : 2;
}

#if defined(O_inode_i_ctime_sec)
#define INODE_TIME(inode, w) (READ(inode, inode, i_##w##_sec) * 1000000000ULL + (READ(inode, inode, i_##w##_nsec) & 0x7fffffff))  // bit 31: somebody asked
#elif defined(O_inode___i_ctime) && defined(O_inode___i_mtime)
#define INODE_TIME(inode, w) (READ_AT(u64, inode + O_inode___i_##w) * 1000000000ULL + READ_AT(u64, inode + O_inode___i_##w + 8))
#elif defined(O_inode___i_ctime)
#define O_inode_time_ctime O_inode___i_ctime
#define O_inode_time_mtime O_inode_i_mtime
#define INODE_TIME(inode, w) (READ_AT(u64, inode + O_inode_time_##w) * 1000000000ULL + READ_AT(u64, inode + O_inode_time_##w + 8))
#else
#define INODE_TIME(inode, w) (READ_AT(u64, inode + O_inode_i_##w) * 1000000000ULL + READ_AT(u64, inode + O_inode_i_##w + 8))
#endif

AI void add_args(struct scratch *s, u64 mm) {
  u64 start = READ(mm, mm_struct, arg_start), end = READ(mm, mm_struct, arg_end);
  if (end > start) add_user(s, start, end - start, R_ARGS, 0);
}

// Write what the current task executes to s->b, and store it for `tgid`.
AI void learn(struct scratch *s, char *task, u32 tgid, u32 flags) {
  struct ident *id = (struct ident *)s->b;
  u64 mm = GET(task, task_struct, mm);
  __builtin_memset(id, 0, sizeof(*id));
  V(s->pos) = sizeof(struct ident);
  V(s->limit) = 3800;
  V(s->jobs_n) = 0;
  id->tgid = tgid;
  id->exec_ns = bpf_ktime_get_boot_ns();
  u64 cred = GET(task, task_struct, cred);
  id->cap_effective = READ(cred, cred, cap_effective);
  id->fsuid = READ(cred, cred, fsuid);
  id->fsgid = READ(cred, cred, fsgid);
  bpf_get_current_comm(id->comm, sizeof(id->comm));
  u64 exe = mm ? READ(mm, mm_struct, exe_file) : 0;
  if (exe) {
    u64 inode = READ(exe, file, f_inode), sb = READ(inode, inode, i_sb);
    id->ino = READ(inode, inode, i_ino);
    id->dev = READ(sb, super_block, s_dev);
    id->mode = READ(inode, inode, i_mode);
    id->uid = READ(inode, inode, i_uid);
    id->gid = READ(inode, inode, i_gid);
    id->nlink = READ(inode, inode, i_nlink);
    id->ctime = INODE_TIME(inode, ctime);
    id->mtime = INODE_TIME(inode, mtime);
    id->layer = layer_of(inode, sb);
    id->readonly = (READ(sb, super_block, s_flags) & 1) || (READ(inode, inode, i_flags) & 8);
    add_job(s, AT(exe, file, f_path), R_EXE, 0);
    run_jobs(s, task, EXE_DEPTH);
    V(s->limit) = 4096;
    add_args(s, mm);
  }
  u32 length = V(s->pos);
  id->text_length = length - sizeof(struct ident);
  id->flags = flags;
  if (length > R_SMALL) {
    id->flags = flags | R_BIG;
    if (bigs.update(&tgid, (struct big *)s->b)) drop(DROP_IDENTITY_MAP);
  } else bigs.delete(&tgid);
  if (idents.update(&tgid, (struct small *)s->b)) drop(DROP_IDENTITY_MAP);
}

int sched_process_exec(u64 *ctx) {
  struct scratch *s = scratch_of_cpu();
  if (!s) { drop(DROP_NO_SCRATCH); return 0; }
  learn(s, TASK(), bpf_get_current_pid_tgid() >> 32, 0);
  return 0;
}

int sched_process_fork(u64 *ctx) {  // (parent, child), in the parent
  u64 child = ctx[1];
  u32 tgid = bpf_get_current_pid_tgid() >> 32, new = READ(child, task_struct, tgid);
  if (new == tgid) return 0;
  struct small *id = idents.lookup(&tgid);
  if (!id) {
    struct scratch *s = scratch_of_cpu();
    if (!s) { drop(DROP_NO_SCRATCH); return 0; }
    learn(s, TASK(), tgid, R_LIVE);
    id = idents.lookup(&tgid);
    if (!id) return 0;
  }
  if (idents.update(&new, id)) drop(DROP_IDENTITY_MAP);
  if (id->id.flags & R_BIG) {
    struct big *big = bigs.lookup(&tgid);
    if (big && bigs.update(&new, big)) drop(DROP_IDENTITY_MAP);
  }
  return 0;
}

// ---- header --------------------------------------------------------------------------------

AI u32 number_at(u64 pid, u32 level) {
  if (!pid || level > 31) return 0;
  return READ_AT(u32, pid + O_pid_numbers + level * S_upid + O_upid_nr);
}

AI u32 number_own(u64 pid) { return number_at(pid, READ(pid, pid, level)); }

AI u32 pidns_at(u64 pid, u32 level, u64 *ns) {
  if (!pid || level > 31) return 0;
  *ns = READ_AT(u64, pid + O_pid_numbers + level * S_upid + O_upid_ns);
  return READ_AT(u32, *ns + O_pid_namespace_ns + O_ns_common_inum);
}

// Number of a process in the agent's pid namespace, 0 if it cannot be seen from there.
AI u32 number_for_agent(u64 pid, u32 tgid, u32 *at) {
  *at = 0;
#if AGENT_PIDNS == 4026531836U
  return tgid;
#else
  u32 level = READ(pid, pid, level);
  u64 ns = 0;
  #pragma nounroll
  for (u32 i = 1; i < 32; i++) {
    if (i > level) return 0;
    if (pidns_at(pid, i, &ns) == AGENT_PIDNS) {
      *at = i;
      return number_at(pid, i);
    }
  }
  return 0;
#endif
}

AI u64 signal_pid(u64 signal, u32 kind) { return READ_AT(u64, signal + O_signal_struct_pids + 8 * kind); }

AI void fill_header(struct header *h, char *task, u32 type, long ret, u32 ns_pid) {
  u64 both = bpf_get_current_pid_tgid();
  char *leader = (char *)GET(task, task_struct, group_leader);
  char *parent = (char *)GET(task, task_struct, real_parent);
  char *parent_leader = (char *)GET(parent, task_struct, group_leader);
  char *cred = (char *)GET(task, task_struct, cred);
  u64 signal = GET(task, task_struct, signal), pid = GET(leader, task_struct, thread_pid);
  h->ts = bpf_ktime_get_boot_ns();
  h->ret = ret;
  h->type = type;
  h->flags = 0;
  h->pid = both >> 32;
  h->tid = both;
  h->ns_pid = ns_pid;
  h->cpu = bpf_get_smp_processor_id();
  h->start = GET(leader, task_struct, start_boottime);
  h->pstart = GET(parent_leader, task_struct, start_boottime);
  h->ppid = GET(parent_leader, task_struct, tgid);
  h->vpid = number_own(pid);
  h->vtid = number_own(GET(task, task_struct, thread_pid));
  u32 level = READ(pid, pid, level);
  u64 parent_pid = GET(parent_leader, task_struct, thread_pid);
  h->pvpid = READ(parent_pid, pid, level) >= level ? number_at(parent_pid, level) : 0;
  u64 ns = 0, group = signal_pid(signal, PIDTYPE_PGID), session = signal_pid(signal, PIDTYPE_SID);
  h->pidns = pidns_at(pid, level, &ns);
  h->pidns_start = READ_AT(u64, READ(ns, pid_namespace, child_reaper) + O_task_struct_start_boottime);
  h->pgid = number_at(group, 0);
  h->vpgid = number_at(group, level);
  h->sid = number_at(session, 0);
  h->vsid = number_at(session, level);
  h->uid = GET(cred, cred, uid);
  h->gid = GET(cred, cred, gid);
  h->euid = GET(cred, cred, euid);
  h->egid = GET(cred, cred, egid);
  h->cap_effective = READ(cred, cred, cap_effective);
  h->cap_permitted = READ(cred, cred, cap_permitted);
  h->cap_inheritable = READ(cred, cred, cap_inheritable);
  h->loginuid = GET(task, task_struct, loginuid);
  h->sessionid = GET(task, task_struct, sessionid);
  h->maj_flt = GET(task, task_struct, maj_flt);
  h->min_flt = GET(task, task_struct, min_flt);
  h->fdlimit = READ_AT(u64, signal + O_signal_struct_rlim + 7 * 16);
  u64 mm = GET(task, task_struct, mm), tty = READ(signal, signal_struct, tty);
  h->total_vm = mm ? READ(mm, mm_struct, total_vm) : 0;
  h->tty = 0;
  if (tty) {
    u64 driver = READ(tty, tty_struct, driver);
    h->tty = READ(driver, tty_driver, major) << 8 | (READ(driver, tty_driver, minor_start) + READ(tty, tty_struct, index));
  }
  bpf_get_current_comm(h->comm, sizeof(h->comm));
}

// ---- who decides, when two generations are attached at once -----------------------------------
//
// The daemon attaches the next generation, then moves `control` through the phases; it waits between
// them for longer than an event lasts. Both run for each event, the older one first.
//   0  `generation` emits; the other, if attached at all, does nothing
//   1  `generation` emits and claims the thread; the next one takes the claim back
//   2  the next one emits what is not claimed; `generation` does nothing
// Then `generation` is detached, the number goes up by one, the phase back to 0.

enum { IDLE, EMIT, EMIT_CLAIM, UNCLAIM, EMIT_UNCLAIMED };

AI u32 role(void) {
  u32 zero = 0;
  struct control *c = control.lookup(&zero);
  if (!c) return IDLE;
  u32 generation = V(c->generation), phase = V(c->phase);
  if (generation == GENERATION) return phase == 0 ? EMIT : phase == 1 ? EMIT_CLAIM : IDLE;
  if (phase == 0 || generation + 1 != GENERATION) return IDLE;
  return phase == 1 ? UNCLAIM : EMIT_UNCLAIMED;
}

AI bool emits(u32 what, u32 tid) {
  u32 one = 1;
  if (what == EMIT) return true;
  if (what == EMIT_CLAIM) { claims.update(&tid, &one); return true; }
  if (what == UNCLAIM) { claims.delete(&tid); return false; }
  if (what == EMIT_UNCLAIMED) return claims.delete(&tid) != 0;
  return false;
}

// ---- stage: sys_exit -----------------------------------------------------------------------

#if TYPED
#define REG(r) (*(volatile u64 *)(regs + O_pt_regs_##r))
#else
#define REG(r) READ_AT(u64, regs + O_pt_regs_##r)
#endif

FILTER

int on_sys_exit(u64 *ctx) {
  char *regs = (char *)ctx[0];
  long ret = ctx[1];
  u64 nr = REG(orig_ax);
  if (!((WANT_64) || (WANT_32))) return 0;
  char *task = TASK();
  u32 compat = (READ(task, thread_info, status) & 2) != 0;
  if (compat ? !(WANT_32) : !(WANT_64)) return 0;
  struct call c = {.compat = compat, .ret = ret, .task = task};
  u64 both = bpf_get_current_pid_tgid();
  c.tgid = both >> 32;
  c.tid = both;
  if (c.tid == 0) return 0;
  if (compat) {
    c.arg[0] = (u32)REG(bx); c.arg[1] = (u32)REG(cx); c.arg[2] = (u32)REG(dx);
    c.arg[3] = (u32)REG(si); c.arg[4] = (u32)REG(di); c.arg[5] = (u32)REG(bp);
  } else {
    c.arg[0] = REG(di); c.arg[1] = REG(si); c.arg[2] = REG(dx);
    c.arg[3] = REG(r10); c.arg[4] = REG(r8); c.arg[5] = REG(r9);
  }
  u32 index = (u32)nr & 0x3ff;
  if (compat) {
    index += 1024;
    if ((u32)nr == 102) {  // socketcall: number of the call, and a pointer to its arguments
      u32 args[6] = {};
      bpf_probe_read_user(args, sizeof(args), (void *)c.arg[1]);
      index = 1024 + 512 + (c.arg[0] & 31);
      #pragma unroll
      for (int i = 0; i < 6; i++) c.arg[i] = args[i];
    }
  }
  struct sysdef *def = calls.lookup(&index);
  if (!def || !def->type) return 0;
  c.type = def->type;
  u64 pid = READ_AT(u64, GET(task, task_struct, group_leader) + O_task_struct_thread_pid);
  u32 agent_level, ns_pid = number_for_agent(pid, c.tgid, &agent_level);
#if AGENT_PIDNS_ONLY
  if (!ns_pid) return 0;
#endif
  u32 what = role();
  if (what == IDLE || !emits(what, c.tid)) return 0;
  c.ident = (struct ident *)idents.lookup(&c.tgid);
  if (!keep(&c)) return 0;
  struct scratch *s = scratch_of_cpu();
  if (!s) { drop(DROP_NO_SCRATCH); return 0; }
  s->def = *def;
  fill_header(&s->h, task, c.type, ret, ns_pid);
  if (compat) s->h.flags = R_COMPAT;
  #pragma unroll
  for (int i = 0; i < 6; i++) s->h.args[i] = c.arg[i];
  V(s->pos) = 0;
  V(s->limit) = LIMIT;
  V(s->jobs_n) = 0;
  V(s->agent_level) = agent_level;
  stages.call(ctx, 0);
  drop(DROP_STAGE);
  return 0;
}

// ---- stage: who ----------------------------------------------------------------------------

// Copy an identity to `p`; returns its length, 0 if there is none.
AI u64 copy_ident(struct scratch *s, u64 p, u32 tgid) {
  struct small *id = idents.lookup(&tgid);
  if (!id) return 0;
  u64 n = sizeof(struct ident) + id->id.text_length;
  void *from = id;
  if (id->id.flags & R_BIG) {
    struct big *big = bigs.lookup(&tgid);
    if (big) from = big;
    else n = R_SMALL;
  }
  if (n > R_BIG_SIZE) n = R_BIG_SIZE;
  MASK(n, 0x3fff);
  bpf_probe_read_kernel(at(s, p), n, from);
  return n;
}

AI void who(struct scratch *s) {  // begins the parts
  char *task = TASK();
  u32 tgid = bpf_get_current_pid_tgid() >> 32;
  u64 mm = GET(task, task_struct, mm), begin = V(s->pos), n = copy_ident(s, begin + 8, tgid);
  if (!n && mm) {  // it was there before capture began
    learn(s, task, tgid, R_LIVE);
    V(s->pos) = 0;
    V(s->limit) = LIMIT;
    V(s->jobs_n) = 0;
    n = copy_ident(s, begin + 8, tgid);
  }
  if (n) close_part(s, begin, n, R_SELF, 0, 0);
  else V(s->h.flags) |= R_NO_IDENT;
  u64 fs = GET(task, task_struct, fs);
  if (fs) add_job(s, AT(fs, fs_struct, pwd), R_CWD, 0);
#if WANT_ENV
  if (mm) {
    u64 from = READ(mm, mm_struct, env_start), to = READ(mm, mm_struct, env_end);
    if (to > from) add_user(s, from, to - from, R_ENV, 0);
  }
#endif
  char *child = task;
  #pragma nounroll
  for (u32 i = 1; i <= ANCESTORS; i++) {
    char *parent = (char *)GET(child, task_struct, real_parent);
    parent = (char *)GET(parent, task_struct, group_leader);
    u32 number = GET(parent, task_struct, tgid);
    if (!number || full(s)) break;
    u64 begin = V(s->pos), pid = GET(parent, task_struct, thread_pid), signal = GET(parent, task_struct, signal);
    u32 level = READ(pid, pid, level);
    u64 group = signal_pid(signal, PIDTYPE_PGID), session = signal_pid(signal, PIDTYPE_SID);
    struct ancestor a = {.pid = number};
    u32 agent_level = V(s->agent_level);
    u64 ns = 0;
    if (pidns_at(pid, agent_level, &ns) == AGENT_PIDNS) a.ns_pid = number_at(pid, agent_level);
    a.start = GET(parent, task_struct, start_boottime);
    a.vpid = number_at(pid, level);
    a.sid = number_at(session, 0);
    a.vsid = number_at(session, level);
    a.pgid = number_at(group, 0);
    a.vpgid = number_at(group, level);
    bpf_probe_read_kernel(a.comm, sizeof(a.comm), parent + O_task_struct_comm);
    bpf_probe_read_kernel(at(s, begin + 8), sizeof(a), &a);
    u64 n = copy_ident(s, begin + 8 + sizeof(a), number);
    close_part(s, begin, sizeof(a) + n, R_ANCESTOR_PART, i, 0);
    if (number == 1) break;
    child = parent;
  }
}

int on_who(u64 *ctx) {
  struct scratch *s = scratch_of_cpu();
  if (!s) return 0;
  who(s);
  stages.call(ctx, 1);
  drop(DROP_STAGE);
  return 0;
}

// ---- stage: what ---------------------------------------------------------------------------

AI void add_unix(struct scratch *s, u64 sk, u8 slot) {
  if (full(s)) return;
  u64 begin = V(s->pos), own = READ(sk, unix_sock, addr), peer = READ(sk, unix_sock, peer);
  u64 other = peer ? READ(peer, unix_sock, addr) : 0;
  u64 own_length = own ? READ(own, unix_address, len) : 0, other_length = other ? READ(other, unix_address, len) : 0;
  char *p = at(s, begin + 8);
  *(volatile u64 *)p = own_length | other_length << 32;
  p = at(s, begin + 16);
  bpf_probe_read_kernel(p, 112, (void *)(own + O_unix_address_name));
  p = at(s, begin + 128);
  bpf_probe_read_kernel(p, 112, (void *)(other + O_unix_address_name));
  close_part(s, begin, 8 + 2 * 112, R_UNIX, slot, 0);
}

AI void describe_socket(struct scratch *s, struct fdinfo *f, u64 socket, u8 slot) {
  u64 sk = READ(socket, socket, sk);
  if (!sk) return;
  f->family = READ(sk, sock_common, skc_family);
  f->type = READ(socket, socket, type);
  f->protocol = READ(sk, sock, sk_protocol);
  f->state = READ(sk, sock_common, skc_state);
  if (f->family == 2) {
    bpf_probe_read_kernel(f->raddr, 4, (void *)AT(sk, sock_common, skc_daddr));
    bpf_probe_read_kernel(f->laddr, 4, (void *)AT(sk, sock_common, skc_rcv_saddr));
  } else if (f->family == 10) {
    bpf_probe_read_kernel(f->raddr, 16, (void *)AT(sk, sock_common, skc_v6_daddr));
    bpf_probe_read_kernel(f->laddr, 16, (void *)AT(sk, sock_common, skc_v6_rcv_saddr));
  }
  if (f->family == 2 || f->family == 10) {
    u16 port = READ(sk, sock_common, skc_dport);
    f->lport = READ(sk, sock_common, skc_num);
    f->rport = port >> 8 | port << 8;
  }
  if (f->family == 1) add_unix(s, sk, slot);
}

AI void add_fd(struct scratch *s, char *task, s32 number, u8 slot) {
  if (number < 0 || full(s)) return;
  u64 files = GET(task, task_struct, files);
  if (!files) return;
  u64 table = READ(files, files_struct, fdt), file = 0;
  if ((u32)number < READ(table, fdtable, max_fds)) file = READ_AT(u64, READ(table, fdtable, fd) + 8ULL * number);
  if (!file) return;
  u64 inode = READ(file, file, f_inode), sb = READ(inode, inode, i_sb);
  struct fdinfo f = {.fd = number};
  f.ino = READ(inode, inode, i_ino);
  f.mode = READ(inode, inode, i_mode);
  f.rdev = READ(inode, inode, i_rdev);
  f.nlink = READ(inode, inode, i_nlink);
  f.dev = READ(sb, super_block, s_dev);
  f.magic = READ(sb, super_block, s_magic);
  f.flags = READ(file, file, f_flags);
  f.fmode = READ(file, file, f_mode);
  f.layer = layer_of(inode, sb);
  if ((f.mode & 0xf000) == 0xc000) describe_socket(s, &f, READ(file, file, private_data), slot);
  else add_job(s, AT(file, file, f_path), R_FILE_PATH, slot);
  u64 begin = V(s->pos);
  bpf_probe_read_kernel(at(s, begin + 8), sizeof(f), &f);
  close_part(s, begin, sizeof(f), R_FILE, slot, 0);
}

AI u64 argument(struct scratch *s, u8 number) {
  u32 i = (number - 1) & 7;
  return number && i < 6 ? s->h.args[i] : 0;
}

#define SNAPLEN 80

AI u64 user_word(u64 address, u32 compat) {
  u64 v = 0;
  bpf_probe_read_user(&v, compat ? 4 : 8, (void *)address);
  return compat ? (u32)v : v;
}

AI void add_message(struct scratch *s, u64 header, u32 compat, u64 length) {
  u32 word = compat ? 4 : 8;
  u64 name = user_word(header, compat), name_length = user_word(header + word, 1);
  u64 vector = user_word(header + 2 * word, compat);
  if (name && name_length <= 128) add_user(s, name, name_length, R_ADDRESS, 0);
  u64 base = user_word(vector, compat), size = user_word(vector + word, compat);
  if (size > length) size = length;
  if (size > SNAPLEN) size = SNAPLEN;
  add_user(s, base, size, R_DATA, 0);
}

AI void add_data(struct scratch *s) {
  u8 kind = s->def.data;
  u32 compat = s->h.flags & R_COMPAT;
  u64 length = s->h.ret < 0 ? 0 : s->h.ret;
  if (!kind) return;
  if (kind == 1 || kind == 2) {  // a buffer; 2: written by the caller, so there even if the call failed
    if (kind == 2 && s->h.ret < 0) length = s->h.args[2];
    if (length > SNAPLEN) length = SNAPLEN;
    add_user(s, s->h.args[1], length, R_DATA, 0);
  } else if (kind == 3) {  // a vector of buffers
    u32 word = compat ? 4 : 8;
    u64 base = user_word(s->h.args[1], compat), size = user_word(s->h.args[1] + word, compat);
    if (size > length) size = length;
    if (size > SNAPLEN) size = SNAPLEN;
    add_user(s, base, size, R_DATA, 0);
  } else add_message(s, s->h.args[1], compat, kind == 4 ? length : SNAPLEN);
}

AI void what(struct scratch *s) {
  char *task = TASK();
  #pragma unroll
  for (u8 i = 0; i < 3; i++)
    if (s->def.str[i]) add_string(s, argument(s, s->def.str[i]), i);
  #pragma unroll
  for (u8 i = 0; i < 3; i++) {
    u8 from = s->def.fd[i];
    if (from) add_fd(s, task, from == R_RETURN ? (s32)s->h.ret : (s32)argument(s, from), i);
  }
  if (s->def.aux) {
    u64 size = s->def.aux_size;
    add_user(s, argument(s, s->def.aux), size, R_AUX, 0);
  }
  if (s->def.address) {
    u64 length = s->def.address_length == 7 ? 28 : argument(s, s->def.address_length);
    if (length > 128) length = 128;
    add_user(s, argument(s, s->def.address), length, R_ADDRESS, 0);
  }
  add_data(s);
}

int on_what(u64 *ctx) {
  struct scratch *s = scratch_of_cpu();
  if (!s) return 0;
  what(s);
  stages.call(ctx, 2);
  drop(DROP_STAGE);
  return 0;
}

// ---- stage: paths --------------------------------------------------------------------------

AI void add_cgroup(struct scratch *s, u64 cgroup, u8 slot) {
  if (!cgroup || full(s)) return;
  u64 begin = V(s->pos), node = READ(cgroup, cgroup, kn);
  V(s->pos) = begin + 8;
  V(s->dentry) = node;
  #pragma nounroll
  for (int i = 0; i < 12; i++) {
    node = V(s->dentry);
    u64 parent = READ(node, kernfs_node, parent);
    if (!parent) break;
    u64 p = V(s->pos);
    long n = bpf_probe_read_kernel_str(at(s, p), 256, (void *)READ(node, kernfs_node, name));
    if (n <= 0) break;
    V(s->pos) = p + n;
    V(s->dentry) = parent;
  }
  close_part(s, begin, V(s->pos) - begin - 8, R_CGROUP, slot, 0);
}

AI u64 cgroup_v1(u64 set, u32 index) {
  u64 state = READ_AT(u64, set + O_css_set_subsys + 8 * index);
  return state ? READ(state, cgroup_subsys_state, cgroup) : 0;
}

AI void finish(struct scratch *s) {
  char *task = TASK();
  u64 set = GET(task, task_struct, cgroups), unified = READ(set, css_set, dfl_cgrp);
  add_cgroup(s, unified, 0);
#ifdef CGROUP_V1_0
  u64 v1 = cgroup_v1(set, CGROUP_V1_0);
  if (v1 != unified) add_cgroup(s, v1, 1);
#endif
#ifdef CGROUP_V1_1
  u64 second = cgroup_v1(set, CGROUP_V1_1);
  if (second != unified && second != v1) add_cgroup(s, second, 2);
#endif
  run_jobs(s, task, COMPONENTS);
  u64 n = V(s->pos);
  MASK(n, 0xffff);
  if (V(s->h.flags) & R_TRUNCATED) drop(DROP_TRUNCATED);
  if (events.ringbuf_output(s, n + sizeof(struct header), 0)) drop(DROP_RING_FULL);
}

int on_paths(u64 *ctx) {
  struct scratch *s = scratch_of_cpu();
  if (s) finish(s);
  return 0;
}

// ---- tasks that end ------------------------------------------------------------------------

int on_task_exit(u64 *ctx) {
  char *task = TASK();
  u32 tgid = bpf_get_current_pid_tgid() >> 32, tid = bpf_get_current_pid_tgid(), zero = 0;
  u64 signal = GET(task, task_struct, signal);
  bool last = READ(signal, signal_struct, live) == 0;
  struct control *c = control.lookup(&zero);
  bool newest = c && (V(c->generation) + (V(c->phase) != 0) == GENERATION);
#if WANT_PROCEXIT
  u64 pid = READ_AT(u64, GET(task, task_struct, group_leader) + O_task_struct_thread_pid);
  u32 agent_level, ns_pid = number_for_agent(pid, tgid, &agent_level), what = role();
  struct call call = {.type = EV_procexit, .task = task, .tgid = tgid, .tid = tid};
  call.ident = (struct ident *)idents.lookup(&tgid);
  struct scratch *s = scratch_of_cpu();
  if (s && (ns_pid || !AGENT_PIDNS_ONLY) && what != IDLE && emits(what, tid) && keep(&call)) {
    fill_header(&s->h, task, EV_procexit, 0, ns_pid);
    s->h.args[0] = READ(task, task_struct, exit_code);
    #pragma unroll
    for (int i = 1; i < 6; i++) s->h.args[i] = 0;
    V(s->pos) = 0;
    V(s->limit) = LIMIT;
    V(s->jobs_n) = 0;
    V(s->agent_level) = agent_level;
    V(s->forget) = last && newest;
    stages.call(ctx, 0);
    drop(DROP_STAGE);
  }
#endif
  if (last && newest) {
    idents.delete(&tgid);
    bigs.delete(&tgid);
  }
  return 0;
}

int on_task_exit_paths(u64 *ctx) {
  struct scratch *s = scratch_of_cpu();
  if (!s) return 0;
  u32 tgid = bpf_get_current_pid_tgid() >> 32;
  finish(s);
  if (V(s->forget)) {
    idents.delete(&tgid);
    bigs.delete(&tgid);
  }
  return 0;
}
