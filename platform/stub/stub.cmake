# The stub: freestanding, linked at a fixed address, never sanitized; then what drives it, for both engines.
set(stub_dir ${CMAKE_SOURCE_DIR}/platform/stub/text)
set(stub_out ${CMAKE_BINARY_DIR}/platform/stub)
file(MAKE_DIRECTORY ${stub_out})
set(stub_flags -I${CMAKE_SOURCE_DIR} -O2 -ffreestanding -fno-stack-protector -fpie -mno-red-zone
    -fcf-protection=none -fno-asynchronous-unwind-tables -Wall -Wextra -Werror)
set(stub_cxx_flags ${stub_flags} -std=gnu++20 -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -mgeneral-regs-only)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND stub_cxx_flags -fno-tree-loop-distribute-patterns)
else()
  list(APPEND stub_cxx_flags -fno-builtin -Wno-unused-command-line-argument)
endif()
set(stub_headers ${stub_dir}/stub_unsafe.h ${CMAKE_SOURCE_DIR}/platform/stub/stub_layout.h
    ${CMAKE_SOURCE_DIR}/platform/stub/marshal_table.h ${CMAKE_SOURCE_DIR}/platform/stub/pi_futex.h)
set(stub_objects)
foreach(name pi_futex remote calls signals patch write_queue)
  add_custom_command(OUTPUT ${stub_out}/stub_${name}.o
    COMMAND ${CMAKE_CXX_COMPILER} ${stub_cxx_flags} -c ${stub_dir}/${name}_unsafe.cc -o ${stub_out}/stub_${name}.o
    DEPENDS ${stub_dir}/${name}_unsafe.cc ${stub_headers} VERBATIM)
  list(APPEND stub_objects ${stub_out}/stub_${name}.o)
endforeach()
add_custom_command(OUTPUT ${stub_out}/stub_entry.o
  COMMAND ${CMAKE_C_COMPILER} ${stub_flags} -c ${stub_dir}/entry_unsafe.S -o ${stub_out}/stub_entry.o
  DEPENDS ${stub_dir}/entry_unsafe.S ${stub_headers} VERBATIM)
add_custom_command(OUTPUT ${stub_out}/stub.elf
  COMMAND ${CMAKE_LINKER} -static -nostdlib -T ${stub_dir}/stub.ld -o ${stub_out}/stub.elf
          ${stub_out}/stub_entry.o ${stub_objects}
  DEPENDS ${stub_dir}/stub.ld ${stub_out}/stub_entry.o ${stub_objects} VERBATIM)
add_custom_command(OUTPUT ${stub_out}/stub.bin
  COMMAND ${CMAKE_OBJCOPY} -O binary ${stub_out}/stub.elf ${stub_out}/stub.bin
  DEPENDS ${stub_out}/stub.elf VERBATIM)
add_custom_command(OUTPUT ${stub_out}/stub_symbols.h
  COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DELF=${stub_out}/stub.elf -DOUT=${stub_out}/stub_symbols.h
          -P ${stub_dir}/symbols.cmake
  DEPENDS ${stub_out}/stub.elf ${stub_dir}/symbols.cmake VERBATIM)
add_custom_target(stub_text DEPENDS ${stub_out}/stub.bin ${stub_out}/stub_symbols.h)

runsc_library(platform_stub platform/stub platform_base absl::status absl::statusor absl::strings Threads::Threads)
add_dependencies(platform_stub stub_text)
set_property(SOURCE ${CMAKE_SOURCE_DIR}/platform/stub/stub_image.cc APPEND PROPERTY
             COMPILE_DEFINITIONS STUB_BINARY="${stub_out}/stub.bin")
set_property(SOURCE ${CMAKE_SOURCE_DIR}/platform/stub/stub_image.cc APPEND PROPERTY
             OBJECT_DEPENDS ${stub_out}/stub.bin)
