// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// What every event has.

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
