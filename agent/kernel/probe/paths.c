// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Stage paths: control groups, all paths, and the hand-over.

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
