/* db_contract.h: what every engine of src/db must do (db/db.h). An engine under test is one row in
 * db_contract.c; each test below runs on each row, with the real thing. */
#pragma once

int db_contract_run(void); /* all tests on all rows; how many failed */
