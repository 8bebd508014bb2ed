/* describe.h - what lies at an address, in words, for the line about a misused pointer.
 * Layer: api (includes thread and below). */
#ifndef ARENITE_API_DESCRIBE_H
#define ARENITE_API_DESCRIBE_H

#include "base/compiler.h"

/* Names the block at or around a pointer: its size, its state, and where it belongs (size class,
 * slab and owner; or arena and heap; or mapping); of a pointer that is not the library's, what else
 * it points at. Returns the length of the whole text. Reads no memory but the library's own and
 * waits for no lock, so it serves under every lock and for every pointer. */
size_t describe_address(const void *address, char *text, size_t size);

#endif
