# What LUX needs from Replit's Nix beside Python: make, and the lock that keeps two starts apart.
{ pkgs }: {
  deps = [
    pkgs.gnumake
    pkgs.util-linux
    pkgs.which
  ];
}
