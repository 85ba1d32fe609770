#include "base/list.h"

#include "scratch.h"

struct item {
    int n;
    struct list node;
};

static void assert_items(struct list *head, const int *n, unsigned count)
{
    unsigned i = 0;
    LIST_FOREACH (node, head) {
        assert_true(i < count);
        assert_int_equal(CONTAINER_OF(node, struct item, node)->n, n[i]);
        assert_ptr_equal(node->next->prev, node);
        assert_ptr_equal(node->prev->next, node);
        i++;
    }
    assert_int_equal(i, count);
    assert_int_equal(list_empty(head), count == 0);
}

static void test_both_ends(void **state)
{
    struct list head;
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}}, d = {4, {0}};
    list_init(&head);
    assert_items(&head, NULL, 0);
    assert_false(list_linked(&a.node));
    list_push_back(&head, &b.node);
    list_push_front(&head, &a.node);
    list_push_back(&head, &d.node);
    list_insert_after(&b.node, &c.node);
    assert_items(&head, (int[]){1, 2, 3, 4}, 4);
    assert_true(list_linked(&a.node));
}

static void test_remove(void **state)
{
    struct list head;
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    list_init(&head);
    list_remove(&a.node); /* in no list: nothing happens */
    list_push_back(&head, &a.node);
    list_push_back(&head, &b.node);
    list_push_back(&head, &c.node);
    list_remove(&b.node);
    assert_false(list_linked(&b.node));
    assert_items(&head, (int[]){1, 3}, 2);
    list_remove(&b.node); /* twice */
    assert_items(&head, (int[]){1, 3}, 2);
    list_remove(&a.node);
    list_remove(&c.node);
    assert_items(&head, NULL, 0);
    list_push_back(&head, &b.node);
    assert_items(&head, (int[]){2}, 1);
}

static void test_pop(void **state)
{
    struct list head;
    struct item a = {1, {0}}, b = {2, {0}};
    list_init(&head);
    assert_null(list_pop_front(&head));
    list_push_back(&head, &a.node);
    list_push_back(&head, &b.node);
    assert_ptr_equal(list_pop_front(&head), &a.node);
    assert_false(list_linked(&a.node));
    assert_ptr_equal(list_pop_front(&head), &b.node);
    assert_null(list_pop_front(&head));
}

static void test_safe_walk(void **state)
{
    struct list head;
    struct item item[10] = {0};
    list_init(&head);
    for (int i = 0; i < 10; i++) {
        item[i].n = i;
        list_push_back(&head, &item[i].node);
    }
    int seen = 0;
    LIST_FOREACH_SAFE (node, &head) {
        seen++;
        if (CONTAINER_OF(node, struct item, node)->n % 2 == 0)
            list_remove(node);
    }
    assert_int_equal(seen, 10);
    assert_items(&head, (int[]){1, 3, 5, 7, 9}, 5);
    LIST_FOREACH_SAFE (node, &head) {
        list_remove(node);
    }
    assert_items(&head, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ends),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_pop),
        cmocka_unit_test(test_safe_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
