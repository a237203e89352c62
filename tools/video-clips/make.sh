#!/usr/bin/env bash
# Makes the clips under test/video/clips with ffmpeg 5.1 (Debian bookworm). The tests need the clips, not ffmpeg.
#
# Every frame is 64x48: in rows 0 to 15 ten columns of 6 pixels spell the frame's index in binary, lowest bit first,
# white for 1; below stand four fields of 16 pixels in known colours: (200,40,60) (40,180,90) (50,80,210) (230,220,40).
set -euo pipefail
cd "$(dirname "$0")/../../test/video/clips"

field() { echo "if(lt(X,16),$1,if(lt(X,32),$2,if(lt(X,48),$3,$4)))"; }
bit='if(lt(X,60),255*mod(floor(N/pow(2,floor(X/6))),2),0)'
picture="geq=r='if(lt(Y,16),$bit,$(field 200 40 50 230))':g='if(lt(Y,16),$bit,$(field 40 180 80 220))':b='if(lt(Y,16),$bit,$(field 60 90 210 40))'"

# frames FPS COUNT: the pictures as lossless RGB.
frames() { ffmpeg -v error -y -f lavfi -i "color=black:size=64x48:rate=$1,format=gbrp,$picture" -frames:v "$2" -c:v ffv1 -pix_fmt gbrp "$3"; }
ff() { ffmpeg -v error -y -fflags +bitexact "$@"; }
source=$(mktemp --suffix .mkv)
long=$(mktemp --suffix .mkv)
trap 'rm -f "$source" "$long"' EXIT
frames 10 20 "$source"
frames 30 1000 "$long"

plain=(-vf scale=out_color_matrix=bt601:out_range=tv,format=yuv420p)
x264=(-c:v libx264 -crf 8 -bf 2 -g 8 -flags:v +bitexact -map_metadata -1)
ff -i "$source" "${plain[@]}" "${x264[@]}" h264.mp4
ff -i h264.mp4 -c copy h264.mkv
ff -i h264.mp4 -c copy h264.mov
ff -i h264.mp4 -c copy -movflags frag_keyframe+empty_moov fragmented.mp4
ff -i h264.mp4 -c copy -metadata:s:v:0 rotate=90 rotated.mp4
ff -i "$source" -vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p "${x264[@]}" \
  -colorspace bt709 -color_primaries bt709 -color_trc bt709 bt709.mp4
ff -i "$source" -vf scale=out_color_matrix=bt601:out_range=full,format=yuvj420p "${x264[@]}" full-range.mp4
ff -i "$source" -vf scale=out_color_matrix=bt601:out_range=tv,format=yuv444p "${x264[@]}" h264-444.mp4
ff -i "$source" "${plain[@]}" -c:v libx265 -crf 8 -x265-params log-level=error:info=0 -tag:v hvc1 hevc.mp4
ff -i "$source" "${plain[@]}" -c:v libvpx -b:v 1M -crf 4 vp8.webm
ff -i "$source" "${plain[@]}" -c:v libvpx-vp9 -crf 8 -b:v 0 vp9.webm
ff -i "$source" -vf scale=out_color_matrix=bt601:out_range=tv,format=yuv420p10le -c:v libvpx-vp9 -crf 8 -b:v 0 vp9-10bit.webm
ff -i "$source" "${plain[@]}" -c:v libaom-av1 -crf 8 -b:v 0 -cpu-used 8 av1.mp4
ff -i "$source" "${plain[@]}" -c:v mpeg4 -q:v 4 mpeg4.mp4
# Frames 0, 1, 2, 6, 7, 8, ...: 20 of them at uneven times.
ff -i "$source" -vf "setpts='(N+3*floor(N/3))/10/TB',scale=out_color_matrix=bt601:out_range=tv,format=yuv420p" -vsync vfr "${x264[@]}" uneven.mp4
ff -i "$source" -vf "split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=none" animated.gif
ff -i "$source" -c:v libwebp_anim -lossless 1 -loop 0 animated.webp
ff -f lavfi -i sine=duration=0.5 -c:a aac -b:a 32k audio.m4a
ff -i h264.mp4 -f lavfi -i sine=duration=2 -map 0:v -map 1:a -c:v copy -c:a aac -b:a 32k sound.mp4
ff -f lavfi -i sine=duration=0.5 -c:a libopus -b:a 16k audio.webm
ff -i "$long" "${plain[@]}" -c:v libx264 -crf 30 -preset slow -g 250 -map_metadata -1 long.mp4
ls -l
