// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// What runs in the kernel. Compiled by agent/kernel/build.py, which puts before it: the offsets of
// this kernel's structs (O_*, T_*), the record layout (layout.py), and these settings:
//   GENERATION        number of this set of programs; see generation.c
//   TYPED             1: typed tracepoints, whose pointers load directly; 0: untyped, with probe reads
//   AGENT_PIDNS       inode of the agent's pid namespace; AGENT_PIDNS_ONLY: events from it alone
//   WANT_64, WANT_32  expressions over `nr`: is this call number of interest?
//   WANT_PROCEXIT     1: tasks that end are events too;  WANT_ENV: 1: events carry the environment
// and, in between, the filter: `static bool keep(struct call *c)`.
//
// The record is put together in stages that tail-call each other, because each must pass the
// verifier by itself:  sys_exit (decide) -> filter (header) -> who -> what -> paths (and hand over).

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

struct scratch {
  struct header h;
  char b[BUFFER];
  u64 pos;
  struct sysdef def;
  struct call call;
  u32 ns_pid, pad;
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
BPF_TABLE("prog", u32, u32, stages, 4);  // who, what, paths, filter
struct small { struct ident id; char text[R_SMALL - sizeof(struct ident)]; };
struct big { struct ident id; char text[R_BIG_SIZE - sizeof(struct ident)]; };
BPF_TABLE("hash", u32, struct small, idents, 16);
BPF_TABLE("hash", u32, struct big, bigs, 16);
BPF_RINGBUF_OUTPUT(events, 1);

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
