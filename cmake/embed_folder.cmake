# Writes a header OUT with the files FILES (names below FOLDER, with ':' between
# them) as arrays and a table `embedded_files` of their paths, ended by NULL.
# MORE are whole paths of files from elsewhere. Run with cmake -P.
string(REPLACE ":" ";" files "${FILES}")
list(TRANSFORM files PREPEND ${FOLDER}/)
string(REPLACE ":" ";" more "${MORE}")
set(arrays "")
set(rows "")
set(i 0)
foreach(file ${files} ${more})
  get_filename_component(name ${file} NAME)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
    "\\1\n" bytes "${bytes}")
  string(APPEND arrays
    "static const unsigned char file_${i}[] = {\n${bytes}0x00};\n")
  string(APPEND rows "    {\"/${name}\", file_${i}, ${size}},\n")
  math(EXPR i "${i} + 1")
endforeach()
file(WRITE ${OUT} "${arrays}static const struct embedded embedded_files[] = {
${rows}    {0, 0, 0}};\n")
