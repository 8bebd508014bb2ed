# Tests of the library on the model kernel: plain programs, linked with the library's internals and
# with the model in place of Linux. Not position independent, so that every run has the same bytes.

file(GLOB on_model_sources CONFIGURE_DEPENDS on_model/*.c)
list(FILTER on_model_sources EXCLUDE REGEX "/bed[a-z_]*\\.c$")

function(add_on_model_program target library)
    add_executable(${target} EXCLUDE_FROM_ALL ${ARGN} on_model/bed_play.c support/held.c
        support/traffic.c)
    target_compile_definitions(${target} PRIVATE ARENITE_PREFIXED=1
        FIGURES_ON_LINUX="$<TARGET_FILE_DIR:${target}>/figures_on_linux")
    target_compile_options(${target} PRIVATE -include
        ${CMAKE_CURRENT_SOURCE_DIR}/on_model/arenite_names.h)
    target_include_directories(${target} PRIVATE on_model)
    target_link_options(${target} PRIVATE -no-pie)
    target_link_libraries(${target} PRIVATE ${library} arenite_model arenite_library_flags
        arenite_warnings test_support Threads::Threads)
    add_dependencies(tests ${target})
endfunction()

# Linux has the memory, the model the clock: what is compared with the model must run as it does. In
# 32 bits there is no room to give both the same addresses.
if(NOT ARENITE_SANITIZE AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    add_library(arenite_on_linux STATIC EXCLUDE_FROM_ALL
        ${PROJECT_SOURCE_DIR}/src/model/os_model_clock.c
        $<FILTER:$<TARGET_OBJECTS:arenite_prefixed_objects>,EXCLUDE,/os_linux_clock.c>)
    target_link_libraries(arenite_on_linux PRIVATE arenite_library_flags arenite_strict)
    add_on_model_program(figures_on_linux arenite_on_linux on_model/linux/figures_on_linux.c)
    target_link_options(figures_on_linux PRIVATE -static)
else()
    list(FILTER on_model_sources EXCLUDE REGEX "/kernel_figures\\.c$")
endif()

foreach(source IN LISTS on_model_sources)
    get_filename_component(name ${source} NAME_WE)
    add_on_model_program(on_model_${name} arenite_on_model ${source} on_model/bed.c)
    add_test(NAME ${unit_label}.on_model.${name}
        COMMAND ${unit_launcher} $<TARGET_FILE:on_model_${name}>)
    set_test_facts(${unit_label}.on_model.${name} ${unit_label} ${source} ${unit_seconds})
    set_property(TEST ${unit_label}.on_model.${name} PROPERTY ENVIRONMENT ${unit_environment})
endforeach()
if(TARGET figures_on_linux)
    add_dependencies(on_model_kernel_figures figures_on_linux)
endif()
