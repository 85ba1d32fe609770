/* small_disk.h: a file system that is quickly full. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Mounts a tmpfs of that size on the folder, seen by this process only, gone with it. Call while the process
 * has one thread. false: not allowed here (then the test is skipped). */
bool small_disk_mount(const char *folder, size_t bytes);
void small_disk_unmount(const char *folder);
