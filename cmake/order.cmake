# The order of functions and data in libarenite.so. The kernel maps a file's pages 64 KiB at a time:
# what every process touches lies together, behind the symbols that the loader reads first
# (docs/decisions/0019-order-of-functions.md).
#
# order.txt names the sections that come first. They are put into the linker's own script, which GNU
# ld prints; another linker, or a script that is written otherwise, takes things as they come.

include(CheckCSourceCompiles)

set(ARENITE_ORDER ${CMAKE_CURRENT_LIST_DIR}/order.txt)

# Code and constants in one segment: the first pages of one are then the last of the other.
set(ARENITE_ORDER_OPTIONS -Wl,-z,noseparate-code)

# What the compiler and libc link into every library, and run; .fini runs at the end.
set(ARENITE_FIRST_TEXTS "*crt*.o(.text) *libc_nonshared.a:(.text) *libgcc.a:(.text)
    KEEP(*(SORT_NONE(.fini)))")
# Texts of tables have no sections of their own.
set(ARENITE_FIRST_CONSTANTS "*(.rodata.cst*) *options.c.o(.rodata.str1.1)")
# Half of it is never written to: the other half is then not spread over three pages.
set(ARENITE_FIRST_DATA "*(.data.*thread_none)")
# Small variables follow .data in its last page; then what is filled from its start.
set(ARENITE_SECOND_TABLES "*crt*.o(.bss) *(.bss.meta_static_block)")

# The linker's script for these options, or nothing.
function(arenite_linker_script variable)
    separate_arguments(flags UNIX_COMMAND "${CMAKE_C_FLAGS} ${CMAKE_SHARED_LINKER_FLAGS}")
    execute_process(
        COMMAND ${CMAKE_C_COMPILER} ${flags} -shared -nostdlib ${ARGN} -Wl,--verbose
            -x c /dev/null -o ${PROJECT_BINARY_DIR}/objects/empty.so
        OUTPUT_VARIABLE output ERROR_QUIET)
    if(output MATCHES "=====\n(/\\* Script.*)\n=====")
        set(${variable} "${CMAKE_MATCH_1}" PARENT_SCOPE)
    endif()
endfunction()

# Puts words before what a pattern finds in a variable; without a match it becomes empty.
function(arenite_insert_before variable pattern words)
    if("${${variable}}" MATCHES "${pattern}")
        set(found "${CMAKE_MATCH_0}")
        string(REPLACE "${found}" "${words}\n${found}" changed "${${variable}}")
        set(${variable} "${changed}" PARENT_SCOPE)
    else()
        set(${variable} "" PARENT_SCOPE)
    endif()
endfunction()

function(arenite_named_sections variable start)
    file(STRINGS ${ARENITE_ORDER} names REGEX "^${start}")
    list(TRANSFORM names REPLACE "(.+)" "*(\\1)")
    list(JOIN names "\n" names)
    set(${variable} "${names}" PARENT_SCOPE)
endfunction()

# Puts a library, linked with some options, in order.
function(arenite_put_in_order library objects)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/objects)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARENITE_ORDER})
    arenite_linker_script(script ${ARENITE_ORDER_OPTIONS} ${ARGN})
    arenite_named_sections(texts "\\.text\\.")
    arenite_named_sections(constants "\\.rodata\\.")
    arenite_named_sections(variables "\\.bss\\.")
    arenite_insert_before(script "\\*\\(\\.text\\.unlikely " "${ARENITE_FIRST_TEXTS}\n${texts}")
    arenite_insert_before(script "\\.init +:"
        ".rodata.first : { ${ARENITE_FIRST_CONSTANTS}\n${constants} }")
    arenite_insert_before(script "\\*\\(\\.data \\.data\\.\\* " "${ARENITE_FIRST_DATA}")
    arenite_insert_before(script "\\*\\(\\.bss " "${variables}\n${ARENITE_SECOND_TABLES}")
    if(NOT script)
        return()
    endif()
    set(file ${PROJECT_BINARY_DIR}/objects/order.ld)
    file(CONFIGURE OUTPUT ${file} CONTENT "${script}" @ONLY)
    list(APPEND ARENITE_ORDER_OPTIONS -Wl,-T,${file})
    set(CMAKE_REQUIRED_FLAGS "-fPIC -shared")
    set(CMAKE_REQUIRED_LINK_OPTIONS ${ARENITE_ORDER_OPTIONS})
    check_c_source_compiles("int f(void); int f(void) { return 0; }" ARENITE_CAN_ORDER)
    if(ARENITE_CAN_ORDER)
        target_compile_options(${objects} PRIVATE -ffunction-sections -fdata-sections)
        target_link_options(${library} PRIVATE ${ARENITE_ORDER_OPTIONS})
        set_target_properties(${library} PROPERTIES LINK_DEPENDS ${file})
    endif()
endfunction()
