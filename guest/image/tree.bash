# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the guest's root file system holds, whatever carries it:
#
#	/usr/bin/kata-agent	the agent
#	/sbin/init		the first process: a link to the agent, or a program
#				that starts it
#	/init			a link to it, the name that an initrd needs
#	/lib/kata/modules/, modules.list
#				the modules that came with the kernel, and their paths,
#				one a line, in the order in which the agent loads them
#	/lib/kata/modules.later	those that it loads when something needs them, each with
#				what it depends on
#	/dev /proc /run /sys /tmp
#				mount points
#	/var/run		/run, where Kata's own agent keeps namespaces
#
# Nothing else. Owners and times are the recipes' affair; modes are set here.

tree_fail()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# tree_program FILE TO: a program without its symbols.
tree_program()
{
	[ -f "$1" ] || tree_fail "$1: no such program"
	cp "$1" "$2"
	strip "$2" 2>/dev/null || tree_fail "$1: is no program for this machine"
	chmod 755 "$2"
}

# tree_key RECIPE AGENT KERNEL-DIR INIT: a hash of all that goes into it.
tree_key()
{
	[ -f "$2" ] || tree_fail "$2: no such agent"
	[ -z "$4" ] || [ -f "$4" ] || tree_fail "$4: no such program"
	[ -f "$3/modules.list" ] ||
		tree_fail "$3: holds no modules.list (fetch-kernel and guest/kernel/build make it)"
	{
		echo "${4:+with an init}"
		cat "$1" "${BASH_SOURCE[0]}" "$2" "$3/modules.list" ${4:+"$4"}
		cat "$3/modules.later" 2>/dev/null || :
		find "$3/modules" -type f -print0 | sort -z | xargs -0r cat
	} | sha256sum
}

# tree_make ROOT AGENT KERNEL-DIR INIT: INIT is "" where the agent is the
# first process.
tree_make()
{
	local root=$1 agent=$2 kernel=$3 init=$4 module needed

	(umask 022 && mkdir -p "$root"/{dev,lib/kata/modules,proc,run,sbin,sys,tmp,usr/bin,var})
	ln -s ../run "$root/var/run"
	tree_program "$agent" "$root/usr/bin/kata-agent"
	if [ -n "$init" ]; then
		tree_program "$init" "$root/sbin/init"
	else
		ln -s ../usr/bin/kata-agent "$root/sbin/init"
	fi
	ln -s sbin/init "$root/init"
	while read -r module; do
		cp "$kernel/modules/$module" "$root/lib/kata/modules/"
		echo "/lib/kata/modules/$module"
	done <"$kernel/modules.list" >"$root/lib/kata/modules.list"
	# A kernel of our own has none.
	[ ! -s "$kernel/modules.later" ] || while read -r module needed; do
		for module in "${module%:}" $needed; do
			cp "$kernel/modules/$module" "$root/lib/kata/modules/"
		done
	done <"$kernel/modules.later"
	[ ! -s "$kernel/modules.later" ] ||
		sed 's|[^ ]*|/lib/kata/modules/&|g' "$kernel/modules.later" >"$root/lib/kata/modules.later"
	chmod -R u=rwX,go=rX "$root"
	find "$root" -exec touch -h -d @0 {} +
}
