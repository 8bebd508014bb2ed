/* os_model_clock.c - a world that is the same in every run: processors, time, chance, identity
 * (contract in os.h, switches in os_model.h).
 * Layer: model (includes base and os.h). */
#include "model/os_model.h"
#include "os/os.h"

#define FIRST_ID 1000

static struct {
    uint64_t clock_ns;
    uint64_t random;
    unsigned processors;
    int threads;
} world = {.random = 1, .processors = 2};

void os_model_set_world(uint64_t seed, unsigned processors) {
    world.random = seed;
    world.processors = processors;
}

void os_model_pass_ns(uint64_t duration_ns) {
    __atomic_add_fetch(&world.clock_ns, duration_ns, __ATOMIC_RELAXED);
}

unsigned os_cpu_count(void) {
    return world.processors;
}

uint64_t os_clock_ns(void) {
    return __atomic_load_n(&world.clock_ns, __ATOMIC_RELAXED);
}

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t os_random(void) {
    uint64_t x = __atomic_add_fetch(&world.random, UINT64_C(0x9e3779b97f4a7c15), __ATOMIC_RELAXED);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void os_sleep_ns(uint64_t duration_ns) {
    os_model_pass_ns(duration_ns);
}

/* Threads are numbered as they first ask; the first one has the process's number, as in Linux. */
int os_thread_id(void) {
    static THREAD_LOCAL int id;
    if (id == 0) {
        id = FIRST_ID + __atomic_fetch_add(&world.threads, 1, __ATOMIC_RELAXED);
    }
    return id;
}

int os_process_id(void) {
    return FIRST_ID;
}
