// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
// Which generation emits, when two are attached at once.
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
