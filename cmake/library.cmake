# The library: sources of its layers, compiled once per flavour.

# Bottom to top; a folder that does not exist yet contributes nothing.
set(ARENITE_LIBRARY_LAYERS base os pages slab chunk thread hardened api)
set(ARENITE_LIBRARY_SOURCES "")
foreach(layer IN LISTS ARENITE_LIBRARY_LAYERS)
    file(GLOB layer_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${layer}/*.c)
    list(APPEND ARENITE_LIBRARY_SOURCES ${layer_sources})
endforeach()

# Objects of one flavour: arenite_objects(shared ARENITE_SHARED=1)
function(arenite_objects flavour definition)
    add_library(arenite_${flavour}_objects OBJECT EXCLUDE_FROM_ALL ${ARENITE_LIBRARY_SOURCES})
    target_compile_definitions(arenite_${flavour}_objects PRIVATE ${definition})
    target_link_libraries(arenite_${flavour}_objects PRIVATE arenite_library_flags arenite_strict)
endfunction()

# An archive of one member, in which all that is not public is local: the linker takes either
# everything or nothing (libc's own malloc.o can then not come in beside it), and names of ours
# never meet names of the program.
function(arenite_archive target file objects)
    set(joined ${PROJECT_BINARY_DIR}/objects/${file}.o)
    set(archive ${PROJECT_BINARY_DIR}/${file})
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/objects)
    separate_arguments(link_flags UNIX_COMMAND "${CMAKE_C_FLAGS}")
    add_custom_command(OUTPUT ${archive}
        COMMAND ${CMAKE_C_COMPILER} ${link_flags} -r -nostdlib -o ${joined}
            $<TARGET_OBJECTS:${objects}>
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${joined}
        COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
        COMMAND ${CMAKE_AR} rcs ${archive} ${joined}
        DEPENDS ${objects} $<TARGET_OBJECTS:${objects}>
        COMMAND_EXPAND_LISTS VERBATIM
        COMMENT "Archiving ${file}")
    add_custom_target(${target} DEPENDS ${archive})
endfunction()

if(ARENITE_LIBRARY_SOURCES)
    arenite_objects(prefixed ARENITE_PREFIXED=1)
    # Everything linkable, internals included: for unit tests only.
    add_library(arenite_internal STATIC EXCLUDE_FROM_ALL)
    target_link_libraries(arenite_internal PRIVATE arenite_prefixed_objects)
endif()

if(ARENITE_LIBRARY_SOURCES AND ARENITE_PRODUCTS)
    arenite_objects(shared ARENITE_SHARED=1)
    arenite_objects(static ARENITE_STATIC=1)

    # nodelete: destructors of thread keys outlive a dlclose. Never -Bsymbolic: it would bind
    # std::get_new_handler and friends to nothing.
    add_library(arenite_shared SHARED)
    target_link_libraries(arenite_shared PRIVATE arenite_shared_objects)
    set_target_properties(arenite_shared PROPERTIES OUTPUT_NAME arenite LINKER_LANGUAGE C)
    set(link_options -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now -Wl,--no-undefined
        -Wl,--exclude-libs,ALL)
    target_link_options(arenite_shared PRIVATE ${link_options})
    arenite_put_in_order(arenite_shared arenite_shared_objects ${link_options})

    arenite_archive(arenite_static libarenite.a arenite_static_objects)
    arenite_archive(prefixed libarenite-prefixed.a arenite_prefixed_objects)
    add_custom_target(arenite_default ALL DEPENDS arenite_static)

    install(TARGETS arenite_shared LIBRARY DESTINATION lib)
    install(FILES ${PROJECT_BINARY_DIR}/libarenite.a DESTINATION lib)
    install(DIRECTORY include/arenite DESTINATION include FILES_MATCHING PATTERN "*.h")
endif()
