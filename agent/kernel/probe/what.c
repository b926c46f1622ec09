// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Stage what: texts, files, sockets and buffers of the call.

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
