// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Tasks that end.

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
