/* announce.h - tells the tool that started this process that the library is in it.
 * Layer: api. The protocol is in include/arenite/announce.h. */
#ifndef ARENITE_API_ANNOUNCE_H
#define ARENITE_API_ANNOUNCE_H

/* Once, from the constructor. Does nothing when nobody asked. */
void announce(void);

#endif
