/* sized.cc - C++'s pair: operator new, and operator delete that is told the size.
 *
 *   sized SIZE COUNT
 */
#include <new>

#include "bench.h"

int main(int count, char **arguments) {
    size_t size = bench_argument(count, arguments, 1, 64);
    size_t pairs = bench_argument(count, arguments, 2, 20000000);
    for (size_t i = 0; i < pairs; i++) {
        void *block = ::operator new(size);
        *static_cast<volatile char *>(block) = 1;
        ::operator delete(block, size);
    }
    return 0;
}
