// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// What a process executed: learnt at exec, handed down at fork.

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
