# The page of prompts in Chromium, on tiny-gpt2: prompts of the tasks that it
# knows are typed, read and taken apart. Layer 0 has no SAE.
. "$SOURCE/tests/common.sh"
need chromium
find . -mindepth 1 -delete
head -c 20000 "$MODEL/corpus.txt" >tiny.txt
headscope capture "$MODEL" --text tiny.txt -o tiny.dump --context 64 \
  --quiet >out.log
for layer in 1 2 3; do
  headscope train tiny.dump --layer $layer -o layer$layer.sae --features 512 \
    -k 16 --tokens 40k --batch 1024 --quiet >out.log
done
mkdir database
headscope encode tiny.dump layer?.sae -o database/tiny.db --quiet >out.log
mv layer?.sae database
browser_test test_prompt.py
