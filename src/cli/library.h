/* library.h - finding libarenite.so, and telling why a library cannot be preloaded.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_LIBRARY_H
#define ARENITE_CLI_LIBRARY_H

/* The path of libarenite.so beside the tool, else in ../lib; NULL when neither is there, and
 * then *obstacle says where it was looked for. The string returned is the caller's to free. */
char *library_find(char **obstacle);

/* Why the file cannot be preloaded as an allocator, or NULL when nothing speaks against it. Looks
 * at the file and then tries it: the dynamic linker has the last word. The caller frees.
 * Valid only between signals_hold and signals_release, because it runs a program. */
char *library_find_obstacle(const char *path);

#endif
