# Everything that crosses a process boundary: guest programs, the differential runner, attacks, lint.
# Labels: lint, guest-native (the same programs on this kernel), guest, security, cli, differential.

set(RUNSC_TEST_RUNTIME ${CMAKE_BINARY_DIR}/runsc)
if(TARGET runsc)
  set(RUNSC_TEST_RUNTIME $<TARGET_FILE:runsc>)
endif()

# Guest programs are static, hand bad arguments over on purpose, and never carry a sanitizer.
add_library(guest_flags INTERFACE)
target_include_directories(guest_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(guest_flags INTERFACE -Wall -Wextra -Wno-stringop-overflow
  -Wno-stringop-overread -Wno-nonnull -Wno-unused-result -Wno-array-bounds -O1
  -fno-strict-aliasing $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
target_link_options(guest_flags INTERFACE -static)
target_link_libraries(guest_flags INTERFACE Threads::Threads)

add_library(guest_harness OBJECT tests/guest/harness.cc)
target_link_libraries(guest_harness PRIVATE guest_flags)

add_executable(differential_driver tests/differential/driver.cc)
target_link_libraries(differential_driver PRIVATE guest_flags)
set_target_properties(differential_driver PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_custom_target(guest_programs ALL DEPENDS differential_driver)

# One guest program: a native test, and one in the sandbox for each place its files may live.
function(runsc_guest_test name source label)
  add_executable(${name} ${source} $<TARGET_OBJECTS:guest_harness>)
  target_link_libraries(${name} PRIVATE guest_flags)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_dependencies(guest_programs ${name})
  string(REPLACE "guest_" "" short ${name})
  add_test(NAME ${label}-native.${short} COMMAND ${name})
  set_tests_properties(${label}-native.${short} PROPERTIES LABELS guest-native TIMEOUT 300)
  foreach(place ${ARGN})
    add_test(NAME ${label}.${short}.${place} COMMAND ${CMAKE_SOURCE_DIR}/tests/guest/run.py
      --runtime ${RUNSC_TEST_RUNTIME} --place ${place} $<TARGET_FILE:${name}>)
    set_tests_properties(${label}.${short}.${place} PROPERTIES LABELS ${label} TIMEOUT 400)
  endforeach()
endfunction()

if(NOT RUNSC_SANITIZE)
  foreach(topic process signals scheduling terminals threads pipes_poll write_behind splice timers registers system inet multicast ipc aio futexes net_namespaces
                net_settings tcp_delays pidfd seccomp namespaces jobs ptrace ptrace_events proc_files)
    runsc_guest_test(guest_${topic} tests/guest/${topic}.cc guest tmpfs)
  endforeach()
  foreach(topic files file_ops error_order file_watch file_attrs memory sockets exec limits mappings)
    runsc_guest_test(guest_${topic} tests/guest/${topic}.cc guest tmpfs root)
  endforeach()
  # What leans most on how guest code is run, by the other engine.
  foreach(topic process signals threads futexes memory exec registers)
    add_test(NAME guest.${topic}.ptrace COMMAND ${CMAKE_SOURCE_DIR}/tests/guest/run.py
      --runtime ${RUNSC_TEST_RUNTIME} $<TARGET_FILE:guest_${topic}>)
    set_tests_properties(guest.${topic}.ptrace PROPERTIES LABELS guest TIMEOUT 400 ENVIRONMENT RUNSC_PLATFORM=ptrace)
  endforeach()
  file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/suites/fuzz/*.cc)
  add_executable(fuzz ${fuzz_sources})
  target_link_libraries(fuzz PRIVATE guest_flags)
  set_target_properties(fuzz PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_dependencies(guest_programs fuzz)
  foreach(mode attack compare)
    add_test(NAME security.fuzz-${mode} COMMAND ${CMAKE_SOURCE_DIR}/tests/suites/fuzz.py ${mode}
      --runtime ${RUNSC_TEST_RUNTIME} --binary $<TARGET_FILE:fuzz>)
    set_tests_properties(security.fuzz-${mode} PROPERTIES LABELS security TIMEOUT 400)
  endforeach()

  file(GLOB attacks CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/security/guest/*.cc)
  foreach(attack ${attacks})
    get_filename_component(topic ${attack} NAME_WE)
    runsc_guest_test(guest_${topic} ${attack} security tmpfs)
  endforeach()

  # Each script of a folder is a test of that label.
  function(runsc_script_tests label timeout)
    file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${label}/*.py)
    foreach(script ${scripts})
      get_filename_component(topic ${script} NAME_WE)
      add_test(NAME ${label}.${topic} COMMAND ${script} --runtime ${RUNSC_TEST_RUNTIME})
      set_tests_properties(${label}.${topic} PROPERTIES LABELS ${label} TIMEOUT ${timeout})
    endforeach()
  endfunction()
  runsc_script_tests(security 300)
  runsc_script_tests(faults 600)

  add_test(NAME differential COMMAND ${CMAKE_SOURCE_DIR}/tests/differential/run.py
    --runtime ${RUNSC_TEST_RUNTIME} --driver $<TARGET_FILE:differential_driver>)
  set_tests_properties(differential PROPERTIES LABELS differential TIMEOUT 1200 PROCESSORS 2)
  add_test(NAME differential.shapes COMMAND ${CMAKE_SOURCE_DIR}/tests/differential/shapes.py --runtime ${RUNSC_TEST_RUNTIME})
  set_tests_properties(differential.shapes PROPERTIES LABELS differential TIMEOUT 700)

  add_test(NAME packaging.deb COMMAND ${CMAKE_SOURCE_DIR}/tests/packaging/deb.py ${CMAKE_BINARY_DIR})
  set_tests_properties(packaging.deb PROPERTIES LABELS cli TIMEOUT 300)

  if(EXISTS ${CMAKE_SOURCE_DIR}/tests/cli/run.py)
    add_test(NAME cli COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/run.py --runtime ${RUNSC_TEST_RUNTIME})
    set_tests_properties(cli PROPERTIES LABELS cli TIMEOUT 600)
  endif()

endif()

file(GLOB lint_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/lint/check_*.py)
foreach(script ${lint_scripts})
  get_filename_component(topic ${script} NAME_WE)
  add_test(NAME lint.${topic} COMMAND ${script} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(lint.${topic} PROPERTIES LABELS lint
    TIMEOUT 900
    ENVIRONMENT "RUNSC=${RUNSC_TEST_RUNTIME};CXX=${CMAKE_CXX_COMPILER};BUILD_DIR=${CMAKE_BINARY_DIR}")
endforeach()
