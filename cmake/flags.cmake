# Compiler flags, as interface targets: warnings for everything, allocator flags for the library.

add_library(arenite_warnings INTERFACE)
target_compile_options(arenite_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wvla -Wformat=2 -Wpointer-arith -Wwrite-strings
    -Wcast-qual -Wredundant-decls -Wimplicit-fallthrough -Wdouble-promotion
    $<$<BOOL:${ARENITE_WERROR}>:-Werror>
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition>
    $<$<AND:$<COMPILE_LANGUAGE:C>,$<C_COMPILER_ID:GNU>>:-Wlogical-op -Wduplicated-cond>)

# What the library and the tool keep to besides; tests convert between integers freely.
add_library(arenite_strict INTERFACE)
target_link_libraries(arenite_strict INTERFACE arenite_warnings)
target_compile_options(arenite_strict INTERFACE
    -Wconversion -Wsign-conversion -Wcast-align -Wmissing-declarations)

if(ARENITE_SANITIZE)
    add_compile_options(-fsanitize=${ARENITE_SANITIZE} -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${ARENITE_SANITIZE})
endif()

# -fno-builtin-*: otherwise gcc takes our calloc for "malloc, then memset" and turns it into a call
#   of calloc, that is, of itself; and it may drop a malloc whose result it sees freed.
# initial-exec: the loader allocates when it sets up dynamic TLS, which would recurse.
# -fexceptions: operator new throws through frames of C, which need unwind tables.
# -fno-strict-aliasing: the same bytes are header, list link and user memory in turn.
# -fno-tree-slp-vectorize: pairing two pointer stores into a vector costs more instructions than it
#   saves, and the next load of one of them waits for it.
add_library(arenite_library_flags INTERFACE)
target_compile_definitions(arenite_library_flags INTERFACE _GNU_SOURCE
    $<$<BOOL:${ARENITE_DEBUG}>:ARENITE_DEBUG=1>
    $<$<BOOL:${ARENITE_NOCHECKS}>:ARENITE_NOCHECKS=1>)
target_compile_options(arenite_library_flags INTERFACE
    -fPIC -fvisibility=hidden -ftls-model=initial-exec -fexceptions -fno-strict-aliasing
    $<$<C_COMPILER_ID:GNU>:-fno-tree-slp-vectorize> -fno-plt
    -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
    -fno-builtin-aligned_alloc -fno-builtin-memalign -fno-builtin-posix_memalign
    -fno-builtin-strdup -fno-builtin-strndup)
target_include_directories(arenite_library_flags INTERFACE
    ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
