# Makes a C++ string of a text file: cmake -DIN=file -DOUT=file.inc -P embed.cmake
file(READ ${IN} text)
# A literal may not be longer than 64 KiB; pieces follow each other.
string(LENGTH "${text}" left)
set(pieces "")
set(at 0)
while(left GREATER 0)
  string(SUBSTRING "${text}" ${at} 8000 piece)
  string(LENGTH "${piece}" taken)
  string(APPEND pieces "R\"wring(${piece})wring\"\n")
  math(EXPR at "${at} + ${taken}")
  math(EXPR left "${left} - ${taken}")
endwhile()
file(WRITE ${OUT} "${pieces}")
