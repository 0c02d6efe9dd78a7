# Host side: processes, jails, system call filters. Nothing here knows about guests.
runsc_library(platform_host platform/host platform_base)
# Only the test needs libseccomp: as the oracle for our own filter compiler.
find_library(SECCOMP_LIBRARY NAMES seccomp REQUIRED)
target_link_libraries(platform_host_test PRIVATE ${SECCOMP_LIBRARY})
