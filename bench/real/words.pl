# Hashes and strings: what a script that counts words does.
my %words;
$words{"k" . ($_ * 7919 % 200003)} .= "v$_" for 1 .. 600000;
print scalar(keys %words), "\n";
