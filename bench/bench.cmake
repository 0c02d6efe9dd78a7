# The guest benchmarks; bench/run.py runs them natively and under each runtime at hand.
if(NOT RUNSC_SANITIZE)
  foreach(name guest_bench latency_bench scale_bench syscall_bench)
    add_executable(${name} bench/${name}.cc)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
    target_compile_options(${name} PRIVATE -O2 -Wall -Wextra -fno-exceptions -fno-rtti)
    target_link_libraries(${name} PRIVATE Threads::Threads)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  endforeach()
  # Not static: Debian has no archive of libbenchmark. It runs in a root that has the library.
  target_link_libraries(syscall_bench PRIVATE benchmark::benchmark)
  foreach(name guest_bench latency_bench scale_bench)
    target_link_options(${name} PRIVATE -static)
  endforeach()
endif()

# What the engine costs alone.
if(NOT RUNSC_SANITIZE)
  add_executable(engine_bench bench/engine_bench.cc)
  target_link_libraries(engine_bench PRIVATE platform_systrap platform_ptrace benchmark::benchmark)
  set_target_properties(engine_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endif()

add_test(NAME bench.report COMMAND ${CMAKE_SOURCE_DIR}/bench/report_test.py)
set_tests_properties(bench.report PROPERTIES LABELS unit TIMEOUT 60)
