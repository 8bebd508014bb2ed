#!/bin/bash
# perl.sh - perl: hashes, strings that grow, regular expressions, sorting.
. "$(dirname "$0")/lib.sh"
need perl

cat >script.pl <<'END'
my %words; my $seed = 12345; my @list;
for my $i (1 .. 60000) {
    $seed = ($seed * 1103515245 + 12345) % 2147483648;
    my $word = "w" . ($seed % 7919) . "x" x ($seed % 40);
    $words{$word} .= chr(97 + $i % 26);
    push @list, $word if $i % 3 == 0;
    delete $words{$list[$seed % @list]} if $i % 5 == 0 && @list;
}
my $text = join " ", map { "$_=$words{$_}" } sort keys %words;
my $count = () = $text =~ /w(\d+)x{3,9}\b/g;
(my $copy = $text) =~ s/(x+)/length $1/ge;
print length($text), " ", $count, " ", length($copy), "\n", substr($copy, 0, 2000), "\n";
my @rows = map { [map { $_ * $_[0] // $_ } 1 .. 50] } 1 .. 500;
print scalar(@rows), " ", $rows[499][49], "\n";
END
same_output perl perl script.pl
