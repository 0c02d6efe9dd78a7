# The guest benchmark; bench/run.py runs it natively and under each runtime at hand.
if(NOT RUNSC_SANITIZE)
  add_executable(guest_bench bench/guest_bench.cc)
  target_compile_options(guest_bench PRIVATE -O2 -Wall -Wextra -fno-exceptions -fno-rtti)
  target_link_options(guest_bench PRIVATE -static)
  target_link_libraries(guest_bench PRIVATE Threads::Threads)
  set_target_properties(guest_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endif()
