// CHECKED(what must hold): says what did not, with errno, and ends the program, so that no figure is of a failure.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define CHECKED(condition) \
  do {                     \
    if (!(condition)) {    \
      perror(#condition);  \
      exit(1);             \
    }                      \
  } while (0)
