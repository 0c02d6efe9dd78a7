# runsc-cli: the OCI command line. What needs no sandbox is in libraries with unit tests; the
# executable adds the sentry and the gofer, which it is when run as its internal verbs.
set(cli_absl absl::status absl::statusor absl::strings)
runsc_library(cli_base runsc-cli/base platform_host platform_base ${cli_absl})
runsc_library(cli_oci runsc-cli/oci cli_base nlohmann_json::nlohmann_json)
runsc_library(cli_container runsc-cli/container cli_base nlohmann_json::nlohmann_json)
runsc_library(cli_cgroup runsc-cli/cgroup cli_oci cli_base platform_host)
runsc_library(cli_hooks runsc-cli/hooks cli_oci cli_base platform_host)
runsc_library(cli_seccomp runsc-cli/seccomp cli_oci cli_base syscalls platform_base)
runsc_library(cli_doctor runsc-cli/doctor cli_cgroup cli_base platform_host)
runsc_library(cli_install runsc-cli/install cli_base nlohmann_json::nlohmann_json)
runsc_library(cli_control runsc-cli/control cli_base)
runsc_library(cli_sandbox runsc-cli/sandbox cli_cgroup cli_hooks cli_control cli_container cli_oci cli_base platform_host)
runsc_library(cli_verbs runsc-cli/verbs cli_sandbox cli_doctor cli_install cli_base syscalls)
runsc_library(cli_boot runsc-cli/boot cli_seccomp cli_cgroup cli_control cli_oci cli_base platform_systrap platform_ptrace platform_host
              syscalls sentry_net sentry_fs sentry_kernel sentry_vfs gofer_client gofer_server netbroker_server)

# Debian's package names the shared libraries; the archives lie beside them.
function(runsc_use_abseil_archives)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(location ${target} IMPORTED_LOCATION_NONE)
    if(target MATCHES "^absl::" AND location MATCHES "^(.*)\\.so")
      if(EXISTS ${CMAKE_MATCH_1}.a)
        set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_NONE ${CMAKE_MATCH_1}.a)
      endif()
    endif()
  endforeach()
endfunction()

add_executable(runsc runsc-cli/main.cc runsc-cli/verb_table.cc)
target_link_libraries(runsc PRIVATE cli_verbs cli_boot cli_sandbox)
if(NOT RUNSC_SANITIZE)
  runsc_use_abseil_archives()
  # One file without needs: it is executed again inside jails that have no file system, and a dynamic
  # linker would cost a start-up a quarter of its time.
  set_target_properties(runsc PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_sources(runsc PRIVATE runsc-cli/start_unsafe.S)
  # Relocations packed: 3 KB to read at each start instead of 260.
  target_link_options(runsc PRIVATE -static-pie LINKER:-e,runsc_start,-z,pack-relative-relocs,--gc-sections)
  include(runsc-cli/packaging.cmake)
endif()
