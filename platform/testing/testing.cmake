# The engines end to end, and the guest of these tests.
runsc_library(platform_engines platform/testing platform_systrap platform_ptrace)
set(guest ${CMAKE_BINARY_DIR}/platform/engine_guest)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/platform)
add_custom_command(OUTPUT ${guest}
  COMMAND ${CMAKE_C_COMPILER} -O1 -static -pthread -w -o ${guest} ${CMAKE_SOURCE_DIR}/platform/testing/guest.c
  DEPENDS ${CMAKE_SOURCE_DIR}/platform/testing/guest.c VERBATIM)
add_custom_target(engine_guest DEPENDS ${guest})
add_dependencies(platform_engines_test engine_guest)
target_compile_definitions(platform_engines_test PRIVATE GUEST_PROGRAM="${guest}")
