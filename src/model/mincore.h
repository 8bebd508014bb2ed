/* mincore.h - how much of a range is resident, as mincore answers it.
 * Layer: model (includes base). */
#ifndef ARENITE_MODEL_MINCORE_H
#define ARENITE_MODEL_MINCORE_H

#include "model/mm.h"

/* Counts the pages of a range that an access would find; zero pages are among them. 0, or -ENOMEM
 * when part of the range is not mapped, -EINVAL when it does not begin at a page. */
int mm_resident(const struct mm *mm, vaddr start, uint64_t length, uint64_t *resident_bytes);

#endif
