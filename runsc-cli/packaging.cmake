# cmake --install, and a Debian package by cpack -G DEB in the build directory.
include(GNUInstallDirs)

set(generated ${CMAKE_BINARY_DIR}/packaging)
foreach(what bash zsh fish man)
  list(APPEND generated_files ${generated}/runsc.${what})
  add_custom_command(OUTPUT ${generated}/runsc.${what}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${generated}
    COMMAND runsc completion ${what} > ${generated}/runsc.${what}
    DEPENDS runsc VERBATIM)
endforeach()
add_custom_target(packaging_files ALL DEPENDS ${generated_files})

install(TARGETS runsc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${generated}/runsc.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME runsc)
install(FILES ${generated}/runsc.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _runsc)
install(FILES ${generated}/runsc.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES ${generated}/runsc.man DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 RENAME runsc.8)
install(FILES ${CMAKE_SOURCE_DIR}/docs/install.md ${CMAKE_SOURCE_DIR}/docs/oci.md ${CMAKE_SOURCE_DIR}/docs/architecture.md
        ${CMAKE_SOURCE_DIR}/docs/runtimeclass.yaml
        DESTINATION ${CMAKE_INSTALL_DOCDIR})

file(STRINGS ${CMAKE_SOURCE_DIR}/runsc-cli/version.h version_line REGEX "kVersion")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" CPACK_PACKAGE_VERSION "${version_line}")
set(CPACK_PACKAGE_NAME runsc)
set(CPACK_PACKAGE_CONTACT "the runsc authors <runsc@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "container runtime with a kernel in user space")
set(CPACK_PACKAGE_DESCRIPTION "Runs OCI containers on a kernel of their own, which serves their system calls in user space.
A drop-in for runc under containerd, Docker, Podman and Kubernetes.")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_CONFLICTS gvisor)  # has /usr/bin/runsc too
include(CPack)
