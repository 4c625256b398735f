SELECT "a""b" -- c
;;
