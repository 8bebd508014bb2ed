/* retention.c - the end of a window (contract in retention.h).
 * Layer: pages (includes base). */
#include "pages/retention.h"

size_t retention_base_bytes = RETENTION_BASE_BYTES;
uint64_t retention_window_ns = RETENTION_WINDOW_NS;

void retention_look(struct retention *retention, size_t level_bytes, uint64_t now_ns) {
    uint64_t window_ns = __atomic_load_n(&retention_window_ns, __ATOMIC_RELAXED);
    if (retention->window_ns == 0) {
        retention->window_ns = now_ns;
    }
    if (now_ns - retention->window_ns < window_ns) {
        return;
    }
    bool is_next = now_ns - retention->window_ns < 2 * window_ns;
    retention->former_bytes = is_next ? retention_earned_now(retention) : 0;
    retention->fall_bytes = 0;
    retention->again_bytes = 0;
    retention->high_bytes = level_bytes;
    retention->window_ns = now_ns;
}
