/* single_step.h - a SIGTRAP after every instruction, for tests that interrupt code everywhere.
 * Layer: tests (includes nothing).
 *
 * The processor's trap flag: no storm of signals, so no luck and no second thread. The kernel
 * clears the flag while a handler runs and restores it afterwards. Source: Intel SDM volume 1,
 * 3.4.3.3; x86 only, and not beside a race detector, whose own instructions would be stepped
 * through. */
#ifndef ARENITE_TESTS_SUPPORT_SINGLE_STEP_H
#define ARENITE_TESTS_SUPPORT_SINGLE_STEP_H

#if defined(__SANITIZE_THREAD__)
#define SINGLE_STEP_HAS_DETECTOR 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SINGLE_STEP_HAS_DETECTOR 1
#endif
#endif

#if defined(SINGLE_STEP_HAS_DETECTOR)
#define CAN_SINGLE_STEP 0
#elif defined(__x86_64__)
#define CAN_SINGLE_STEP 1
/* Past the red zone, which is the compiler's. */
#define SINGLE_STEP_FLAGS(change)                                                          \
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\t" change " (%%rsp)\n\tpopfq\n\t" \
                     "lea 128(%%rsp), %%rsp" ::                                            \
                         : "memory", "cc")
#elif defined(__i386__)
#define CAN_SINGLE_STEP 1
#define SINGLE_STEP_FLAGS(change) \
    __asm__ volatile("pushfl\n\t" change " (%%esp)\n\tpopfl" ::: "memory", "cc")
#else
#define CAN_SINGLE_STEP 0
#endif

#if CAN_SINGLE_STEP
static inline void single_step_begin(void) {
    SINGLE_STEP_FLAGS("orl $0x100,");
}

static inline void single_step_end(void) {
    SINGLE_STEP_FLAGS("andl $~0x100,");
}
#endif

#endif
