/* helper.h - a thread of the library that gives memory back while the program is idle (helper=1).
 * Layer: api (includes thread and below). */
#ifndef ARENITE_API_HELPER_H
#define ARENITE_API_HELPER_H

/* Starts it if the options ask for it. Once, after the library has begun. */
void helper_start(void);

#endif
