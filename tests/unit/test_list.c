/* test_list.c - intrusive lists against an array that is kept in the same order. */
#include "base/list.h"

#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ELEMENTS 20

struct element {
    int before;
    struct list_link link;
};

struct world {
    struct element elements[ELEMENTS];
    struct list list;
    struct element *order[ELEMENTS]; /* the model: first to last */
    size_t count;
};

static void check(const struct world *world) {
    const struct list_link *at = world->list.first;
    for (size_t i = 0; i < world->count; i++) {
        assert_non_null(at);
        assert_ptr_equal(LIST_ELEMENT(at, struct element, link), world->order[i]);
        assert_ptr_equal(*at->pointed_by, at);
        assert_true(list_holds(at));
        at = at->next;
    }
    assert_null(at);
    assert_int_equal(list_is_empty(&world->list), world->count == 0);
}

static void put(struct world *world, struct element *element) {
    list_put_first(&world->list, &element->link);
    memmove(world->order + 1, world->order, world->count * sizeof world->order[0]);
    world->order[0] = element;
    world->count++;
}

static void take(struct world *world, struct element *element) {
    size_t at = 0;
    while (world->order[at] != element) {
        at++;
    }
    list_take(&element->link);
    world->count--;
    memmove(world->order + at, world->order + at + 1, (world->count - at) * sizeof world->order[0]);
}

static void replace(struct world *world, struct element *old, struct element *element) {
    size_t at = 0;
    while (world->order[at] != old) {
        at++;
    }
    list_replace(&old->link, &element->link);
    world->order[at] = element;
}

/* What another list gets is all, and in order. */
static void move_away_and_back(struct world *world) {
    struct list other = {NULL};
    list_move(&world->list, &other);
    assert_true(list_is_empty(&world->list));
    list_move(&other, &world->list);
    assert_true(list_is_empty(&other));
    check(world);
}

static void test_zero_is_empty(void **state) {
    (void)state;
    static struct world world;
    assert_true(list_is_empty(&world.list));
    assert_false(list_holds(&world.elements[0].link));
    check(&world);
}

static void test_random_puts_and_takes(void **state) {
    (void)state;
    struct random_source random = random_start("list");
    static struct world world;
    for (size_t i = 0; i < random_steps(20000); i++) {
        struct element *element = &world.elements[random_below(&random, ELEMENTS)];
        if (list_holds(&element->link)) {
            take(&world, element);
            assert_false(list_holds(&element->link));
        } else if (world.count != 0 && random_below(&random, 4) == 0) {
            struct element *old = world.order[random_below(&random, world.count)];
            replace(&world, old, element);
            assert_false(list_holds(&old->link));
        } else {
            put(&world, element);
        }
        check(&world);
        if (random_below(&random, 16) == 0) {
            move_away_and_back(&world);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_is_empty),
        cmocka_unit_test(test_random_puts_and_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
