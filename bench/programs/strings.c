/* strings.c - text that is put together piece by piece, duplicated and dropped.
 *
 *   strings STEPS
 */
#include "bench.h"

#define KEPT 5000

static char *compose(uint64_t *chance) {
    size_t length = 0;
    char *text = NULL;
    size_t pieces = bench_between(chance, 1, 12);
    for (size_t i = 0; i < pieces; i++) {
        size_t more = bench_between(chance, 1, 40);
        text = realloc(text, length + more + 1);
        memset(text + length, 'a' + (int)i, more);
        length += more;
        text[length] = '\0';
    }
    return text;
}

int main(int count, char **arguments) {
    static char *kept[KEPT];
    uint64_t chance = 3;
    size_t steps = bench_argument(count, arguments, 1, 600000);
    for (size_t i = 0; i < steps; i++) {
        size_t place = bench_between(&chance, 0, KEPT - 1);
        free(kept[place]);
        char *text = compose(&chance);
        kept[place] = (i & 1) != 0 ? strdup(text) : strndup(text, 20);
        free(text);
    }
    for (size_t i = 0; i < KEPT; i++) {
        free(kept[i]);
    }
    return 0;
}
