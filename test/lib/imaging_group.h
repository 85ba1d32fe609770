/* imaging_group.h: for cmocka_run_group_tests: libvips is there while a group of tests runs. */
#pragma once

int imaging_group_start(void **state);
int page_group_start(void **state); /* fonts too */
int imaging_group_stop(void **state);
