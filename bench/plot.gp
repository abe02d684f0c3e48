# SPDX-License-Identifier: GPL-2.0-only
# gnuplot -e 'data="..."; image="..."; what="..."; kernels="... ..."' plot.gp
# The kernels are the columns of the data from the second on, the baseline first.
set terminal pngcairo noenhanced size 1400,600 font "sans,11"
set output image
set multiplot layout 1,2 title what.": instructions per write fault that upgrades a 4K page"
set yrange [*<0:0<*]
set offsets 0, 0, graph 0.1, 0
set grid ytics
set key top left
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set boxwidth 0.9
n = words(kernels)
colour(i) = word("#888888 #cc4444 #4477cc", i == n ? 3 : i)
title(i) = i == 1 ? "baseline" : i == n ? "series" : "one line"
# Where the bar of kernel i is beside the middle of its cluster.
beside(i) = (i - 2 - (n - 2) / 2.0) * 0.34

set title "processes that share no page table: more than the baseline"
plot for [i=2:n] data index 0 using (column(i+1)-$2):xtic(1) title title(i) lc rgb colour(i), \
     for [i=2:n] '' index 0 using ($0+beside(i)):(column(i+1)-$2):(sprintf("%+.0f", column(i+1)-$2)) \
	with labels offset 0,0.6 notitle
set title "by the number of SVA subscribers"
set xlabel "SVA subscribers of one mm"
plot for [i=1:n] data index 1 using (column(i+1)):xtic(1) title title(i) lc rgb colour(i)
