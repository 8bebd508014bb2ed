/* audit.h - recounts all state from the memory itself, through the registry.
 * Layer: api (includes thread and below). The public function is arenite_audit. */
#ifndef ARENITE_API_AUDIT_H
#define ARENITE_API_AUDIT_H

#include "api/walk.h"
#include "chunk/arena.h"

#define AUDIT_TEXT_BYTES 256

/* Checks every arena under its lock (one that a signal handler interrupted, or that a fork tore, is
 * skipped), the mapped blocks, the page map and, where no other thread exists or for the calling
 * one, the quick lists. False: text says which invariant is broken first, and at which address. */
bool audit_run(char text[AUDIT_TEXT_BYTES]);

/* Whether an arena, whose lock the caller holds, is whole. */
bool audit_arena_is_sound(struct arena *arena);

/* The slabs' part, in audit_slabs.c: walk->what and where say what is broken. */
bool audit_slabs(struct walk *walk);

#endif
