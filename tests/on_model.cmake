# Tests of the library on the model kernel: plain programs, linked with the library's internals and
# with the model in place of Linux. Not position independent, so that every run has the same bytes.

file(GLOB on_model_sources CONFIGURE_DEPENDS on_model/*.c)
list(FILTER on_model_sources EXCLUDE REGEX "/bed[a-z_]*\\.c$")

function(add_on_model_program target library)
    add_executable(${target} EXCLUDE_FROM_ALL ${ARGN} on_model/bed_play.c support/held.c
        support/traffic.c)
    target_compile_definitions(${target} PRIVATE ARENITE_PREFIXED=1)
    target_compile_options(${target} PRIVATE -include
        ${CMAKE_CURRENT_SOURCE_DIR}/on_model/arenite_names.h)
    target_include_directories(${target} PRIVATE on_model)
    target_link_options(${target} PRIVATE -no-pie)
    target_link_libraries(${target} PRIVATE ${library} arenite_model arenite_library_flags
        arenite_warnings test_support Threads::Threads)
    add_dependencies(tests ${target})
endfunction()

foreach(source IN LISTS on_model_sources)
    get_filename_component(name ${source} NAME_WE)
    add_on_model_program(on_model_${name} arenite_on_model ${source} on_model/bed.c)
    add_test(NAME ${unit_label}.on_model.${name}
        COMMAND ${unit_launcher} $<TARGET_FILE:on_model_${name}>)
    set_test_facts(${unit_label}.on_model.${name} ${unit_label} ${source} ${unit_seconds})
    set_property(TEST ${unit_label}.on_model.${name} PROPERTY ENVIRONMENT ${unit_environment})
endforeach()
