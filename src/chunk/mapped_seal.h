/* mapped_seal.h - what shows misuse of mapped blocks: the bytes behind them, and which were freed.
 * Layer: chunk (includes base, os).
 *
 *   memory                  memory + request
 *   | what was asked for    | seal, 32 bytes | rest of the page |
 *
 * The seal is a function of the block's address and a secret, so that no copy of it is another's.
 * It shares its page with the block's last bytes (the header in front makes it so for whole pages,
 * too). */
#ifndef ARENITE_CHUNK_MAPPED_SEAL_H
#define ARENITE_CHUNK_MAPPED_SEAL_H

#include "chunk/mapped.h"

/* Writes the seal behind the bytes that were asked for; tells whether it is as it was written. */
void mapped_seal_write(const struct mapped_block *block);
bool mapped_seal_is_whole(const struct mapped_block *block);

/* For mapped_was_freed. */
void mapped_note_freed(const struct mapped_block *block);

#endif
