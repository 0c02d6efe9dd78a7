# runsc-cli: the OCI command line. What needs no sandbox is in libraries with unit tests; the
# executable adds the sentry and the gofer, which it is when run as its internal verbs.
set(cli_absl absl::status absl::statusor absl::strings)
runsc_library(cli_base runsc-cli/base platform_host platform_base ${cli_absl})
runsc_library(cli_oci runsc-cli/oci cli_base nlohmann_json::nlohmann_json)
runsc_library(cli_container runsc-cli/container cli_base nlohmann_json::nlohmann_json)
runsc_library(cli_control runsc-cli/control cli_base)
runsc_library(cli_sandbox runsc-cli/sandbox cli_control cli_container cli_oci cli_base platform_host)
