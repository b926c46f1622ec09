// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Stage who: the process and those above it.

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
