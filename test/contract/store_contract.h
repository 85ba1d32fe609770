/* store_contract.h: what every driver of store/store.h must do. Each test runs on each row of store_rig.c. */
#pragma once

int store_contract_run(void); /* all tests on all rows; how many failed */
