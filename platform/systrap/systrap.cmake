# The seccomp-trap engine.
runsc_library(platform_systrap platform/systrap platform_stub)

# Guest of the tests.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/platform/systrap)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/platform/systrap/guest
  COMMAND ${CMAKE_C_COMPILER} -O1 -static -pthread -w -o ${CMAKE_BINARY_DIR}/platform/systrap/guest
          ${CMAKE_SOURCE_DIR}/platform/systrap/testdata/guest.c
  DEPENDS ${CMAKE_SOURCE_DIR}/platform/systrap/testdata/guest.c VERBATIM)
add_custom_target(systrap_guest DEPENDS ${CMAKE_BINARY_DIR}/platform/systrap/guest)
if(TARGET platform_systrap_test)
  add_dependencies(platform_systrap_test systrap_guest)
  target_compile_definitions(platform_systrap_test PRIVATE GUEST_PROGRAM="${CMAKE_BINARY_DIR}/platform/systrap/guest")
endif()
