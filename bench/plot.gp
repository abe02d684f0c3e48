# SPDX-License-Identifier: GPL-2.0-only
# gnuplot -e 'data="..."; image="..."; what="..."' plot.gp
set terminal pngcairo noenhanced size 1400,600 font "sans,11"
set output image
set multiplot layout 1,2 title what.": instructions per write fault that upgrades a 4K page"
set yrange [0:*]
set offsets 0, 0, graph 0.1, 0
set grid ytics
set key top left
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set boxwidth 0.9
one = "#cc4444"
series = "#4477cc"

set title "processes that share no page table: more than as it is"
plot data index 0 using ($3-$2):xtic(1) title "one line" lc rgb one, \
     '' index 0 using ($4-$2) title "series" lc rgb series, \
     '' index 0 using ($0-0.17):($3-$2):(sprintf("%+.0f", $3-$2)) with labels offset 0,0.6 notitle, \
     '' index 0 using ($0+0.17):($4-$2):(sprintf("%+.0f", $4-$2)) with labels offset 0,0.6 notitle
set title "by the number of SVA subscribers"
set xlabel "SVA subscribers of one mm"
plot data index 1 using 2:xtic(1) title "as it is" lc rgb "#888888", \
     '' index 1 using 3 title "one line" lc rgb one, \
     '' index 1 using 4 title "series" lc rgb series
