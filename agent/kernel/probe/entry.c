// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Stage sys_exit: is this call of interest? Then who, what and paths follow.

#if TYPED
#define REG(r) (*(volatile u64 *)(regs + O_pt_regs_##r))
#else
#define REG(r) READ_AT(u64, regs + O_pt_regs_##r)
#endif

int on_sys_exit(u64 *ctx) {
  char *regs = (char *)ctx[0];
  long ret = ctx[1];
  u64 nr = REG(orig_ax);
  if (!((WANT_64) || (WANT_32))) return 0;
  char *task = TASK();
  u32 compat = (READ(task, thread_info, status) & 2) != 0;
  if (compat ? !(WANT_32) : !(WANT_64)) return 0;
  struct scratch *s = scratch_of_cpu();
  if (!s) { drop(DROP_NO_SCRATCH); return 0; }
  struct call *c = &s->call;
  u64 both = bpf_get_current_pid_tgid();
  u32 tgid = both >> 32, tid = both;
  if (tid == 0) return 0;
  if (compat) {
    c->arg[0] = (u32)REG(bx); c->arg[1] = (u32)REG(cx); c->arg[2] = (u32)REG(dx);
    c->arg[3] = (u32)REG(si); c->arg[4] = (u32)REG(di); c->arg[5] = (u32)REG(bp);
  } else {
    c->arg[0] = REG(di); c->arg[1] = REG(si); c->arg[2] = REG(dx);
    c->arg[3] = REG(r10); c->arg[4] = REG(r8); c->arg[5] = REG(r9);
  }
  u32 index = (u32)nr & 0x3ff;
  if (compat) {
    index += 1024;
    if ((u32)nr == 102) {  // socketcall: number of the call, and a pointer to its arguments
      u32 args[6] = {};
      bpf_probe_read_user(args, sizeof(args), (void *)c->arg[1]);
      index = 1024 + 512 + (c->arg[0] & 31);
      #pragma unroll
      for (int i = 0; i < 6; i++) c->arg[i] = args[i];
    }
  }
  struct sysdef *def = calls.lookup(&index);
  if (!def || !def->type) return 0;
  u64 pid = READ_AT(u64, GET(task, task_struct, group_leader) + O_task_struct_thread_pid);
  u32 agent_level, ns_pid = number_for_agent(pid, tgid, &agent_level);
#if AGENT_PIDNS_ONLY
  if (!ns_pid) return 0;
#endif
  u32 what = role();
  if (what == IDLE || !emits(what, tid)) return 0;
  s->def = *def;
  c->type = def->type;
  c->compat = compat;
  c->ret = ret;
  c->tgid = tgid;
  c->tid = tid;
  s->ns_pid = ns_pid;
  s->agent_level = agent_level;
  stages.call(ctx, 3);
  drop(DROP_STAGE);
  return 0;
}

// ---- stage: filter. By itself, so that a filter has the whole stack --------------------------

FILTER

int on_filter(u64 *ctx) {
  struct scratch *s = scratch_of_cpu();
  if (!s) return 0;
  struct call c = s->call;
  c.task = TASK();
  c.ident = (struct ident *)idents.lookup(&c.tgid);
  if (!keep(&c)) return 0;
  fill_header(&s->h, c.task, c.type, c.ret, s->ns_pid);
  if (c.compat) s->h.flags = R_COMPAT;
  #pragma unroll
  for (int i = 0; i < 6; i++) s->h.args[i] = c.arg[i];
  V(s->pos) = 0;
  V(s->limit) = LIMIT;
  V(s->jobs_n) = 0;
  stages.call(ctx, 0);
  drop(DROP_STAGE);
  return 0;
}
